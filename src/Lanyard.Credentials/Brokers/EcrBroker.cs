using System.Net;
using System.Text.RegularExpressions;
using System.Text;
using Lanyard.Credentials.Aws;
using Lanyard.Credentials.Pipelines;
using Lanyard.Protocol.Aws;

namespace Lanyard.Credentials.Brokers;

/// <summary>A docker credential helper for Amazon ECR: docker writes the registry's name, and reads a user and a password. Registries that are not ECR's have none here.</summary>
internal sealed partial class EcrBroker(Func<string, string?> environment, TextReader input, TextWriter output, TimeProvider time)
{
    /// <summary>What docker takes for "there is none", to the byte.</summary>
    private const string None = "credentials not found in native keychain";

    public async Task<int> RunAsync(string[] args, Func<string, int, Task<int>> fail)
    {
        if (args is ["list", ..])
        {
            await output.WriteLineAsync("{}");
            return ExitCodes.Done;
        }

        if (args is ["store" or "erase", ..]) return ExitCodes.Done;
        if (args is not ["get", .. var rest]) return await fail("get, store, erase or list", ExitCodes.Usage);
        var server = ((await input.ReadLineAsync()) ?? "").Trim();
        if (Registry().Match(server) is not { Success: true } registry)
        {
            await output.WriteLineAsync(None);
            return ExitCodes.Refused;
        }

        var words = Words.Parse(rest, ["--role-arn", "--audience", .. TokenSource.Options]);
        var region = registry.Groups["region"].Value;
        var role = AwsRole.Resolve(words, environment, region);
        var source = TokenSource.Resolve(words, environment);
        if (AwsEndpoint.Ecr(region, environment) is null) words.Mistakes.Add("AWS_ENDPOINT_URL_ECR must be https, or http on loopback");
        if (words.Mistakes.Count > 0) return await fail(string.Join('\n', words.Mistakes), ExitCodes.Usage);
        var cache = CredentialCache.For(source!, environment, time, "ecr", server, role!.RoleArn!, role.Audience);
        if (cache.Read() is { } kept)
        {
            await output.WriteLineAsync(kept);
            return ExitCodes.Done;
        }

        var session = await EksSession.StartAsync(role, source!, environment, time);
        if (session.Credentials is not { } credentials) return await fail(session.Error!, session.ExitCode);
        var (status, body, error) = await AskAsync(credentials, region, registry.Groups["account"].Value);
        if (error is not null) return await fail(error, ExitCodes.Unreachable);
        if (status != HttpStatusCode.OK) return await fail(AwsHttp.OneLine($"ECR refused with status {(int)status}: {Json.Text(body, "message") ?? Json.Text(body, "__type")}"), ExitCodes.Refused);
        if (PasswordOf(Json.Text(body, "authorizationData", "0", "authorizationToken")) is not { } password) return await fail("the answer of ECR holds no token", ExitCodes.Unreachable);

        var text = Json.Of(writer =>
        {
            writer.WriteString("ServerURL", server);
            writer.WriteString("Username", "AWS");
            writer.WriteString("Secret", password);
        });
        cache.Keep(text, credentials.Expires, session.TokenEnds);
        await output.WriteLineAsync(text);
        return ExitCodes.Done;
    }

    private Task<(HttpStatusCode Status, byte[] Body, string? Error)> AskAsync(AwsCredentials credentials, string region, string account)
    {
        var endpoint = AwsEndpoint.Ecr(region, environment)!;
        var body = Encoding.UTF8.GetBytes($$"""{"registryIds":["{{account}}"]}""");
        KeyValuePair<string, string>[] headers = [new("Content-Type", "application/x-amz-json-1.1"), new("X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken")];
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(endpoint, "/")) { Content = new ByteArrayContent(body) };
        request.Content.Headers.TryAddWithoutValidation("Content-Type", headers[0].Value);
        request.Headers.TryAddWithoutValidation(headers[1].Key, headers[1].Value);
        foreach (var (name, value) in new SigV4(credentials, region, "ecr", time.GetUtcNow()).Sign("POST", endpoint.Authority, "/", [], headers, body)) request.Headers.TryAddWithoutValidation(name, value);
        return AwsHttp.SendAsync(request);
    }

    private static string? PasswordOf(string? token)
    {
        try
        {
            return token is not null && Encoding.UTF8.GetString(Convert.FromBase64String(token)) is var pair && pair.StartsWith("AWS:", StringComparison.Ordinal) && pair.Length > 4 ? pair[4..] : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }

    [GeneratedRegex(@"^(?:https://)?(?<account>[0-9]{12})\.dkr\.ecr\.(?<region>[a-z0-9-]{1,32})\.amazonaws\.com(?:\.cn)?/?$")]
    private static partial Regex Registry();
}
