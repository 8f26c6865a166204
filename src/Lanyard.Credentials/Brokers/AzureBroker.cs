using System.Globalization;
using System.Net;
using Lanyard.Credentials.Aws;
using Lanyard.Credentials.Pipelines;
using Lanyard.Protocol.Azure;

namespace Lanyard.Credentials.Brokers;

/// <summary>Microsoft Entra: client credentials with the pipeline's token as the assertion. Prints what <c>az account get-access-token</c> prints.</summary>
internal sealed class AzureBroker(Func<string, string?> environment, TextWriter output, TimeProvider time)
{
    public async Task<int> RunAsync(string[] args, Func<string, int, Task<int>> fail)
    {
        var words = Words.Parse(args, ["--client-id", "--tenant-id", "--scope", "--audience", .. TokenSource.Options]);
        var (client, tenant) = (words.Text("--client-id", environment, "AZURE_CLIENT_ID"), words.Text("--tenant-id", environment, "AZURE_TENANT_ID"));
        var scope = words.Text("--scope", environment) ?? "https://management.azure.com/.default";
        var source = TokenSource.Resolve(words, environment);
        if (client is null || !IsName(client)) words.Mistakes.Add("--client-id is needed (or AZURE_CLIENT_ID)");
        if (tenant is null || !IsName(tenant)) words.Mistakes.Add("--tenant-id is needed (or AZURE_TENANT_ID)");
        var authority = environment("AZURE_AUTHORITY_HOST") is { Length: > 0 } own ? own : "https://login.microsoftonline.com";
        if (!Uri.TryCreate(authority, UriKind.Absolute, out var host) || !(host.Scheme == "https" || (host.Scheme == "http" && host.IsLoopback))) words.Mistakes.Add("AZURE_AUTHORITY_HOST must be https");
        if (words.Mistakes.Count > 0) return await fail(string.Join('\n', words.Mistakes), ExitCodes.Usage);

        var audience = words.Text("--audience", environment) ?? AzureCloud.AudienceOf(authority);
        var cache = CredentialCache.For(source!, environment, time, "azure", authority, tenant!, client!, scope, audience);
        if (cache.Read() is { } kept)
        {
            await output.WriteLineAsync(kept);
            return ExitCodes.Done;
        }

        var answer = await PipelineToken.GetAsync(source!, audience, environment);
        if (answer.Token is not { } token) return await fail(answer.Error!, answer.ExitCode);
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(host!, $"/{tenant}/oauth2/v2.0/token"))
        {
            Content = new FormUrlEncodedContent(
            [
                new("grant_type", "client_credentials"), new("client_id", client!), new("scope", scope),
                new("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), new("client_assertion", token),
            ]),
        };
        var (status, body, error) = await AwsHttp.SendAsync(request);
        if (error is not null) return await fail(error, ExitCodes.Unreachable);
        if (status != HttpStatusCode.OK) return await fail(AwsHttp.OneLine($"Entra refused with {Json.Text(body, "error")}: {Json.Text(body, "error_description")}"), ExitCodes.Refused);
        if (Json.Text(body, "access_token") is not { Length: > 0 } access || Json.Number(body, "expires_in") is not { } seconds) return await fail("the answer of Entra holds no token", ExitCodes.Unreachable);

        var ends = time.GetUtcNow().AddSeconds(seconds);
        var text = Json.Of(writer =>
        {
            writer.WriteString("accessToken", access);
            writer.WriteString("expiresOn", ends.LocalDateTime.ToString("yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture));
            writer.WriteNumber("expires_on", ends.ToUnixTimeSeconds());
            writer.WriteString("tenant", tenant);
            writer.WriteString("tokenType", "Bearer");
        });
        cache.Keep(text, ends, TokenDescription.ExpiryOf(token) is { } end ? DateTimeOffset.FromUnixTimeSeconds(end) : null);
        await output.WriteLineAsync(text);
        return ExitCodes.Done;
    }

    /// <summary>An id, or a domain for a tenant: it becomes part of a path.</summary>
    private static bool IsName(string text) => text.Length <= 100 && text.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.');
}
