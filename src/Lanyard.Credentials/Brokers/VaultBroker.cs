using System.Net;
using System.Text;
using Lanyard.Credentials.Aws;
using Lanyard.Credentials.Pipelines;

namespace Lanyard.Credentials.Brokers;

/// <summary>Vault and OpenBao: a login by JWT, in the protocol of a token helper: <c>get</c> prints the token, <c>store</c> and <c>erase</c> have nothing to do.</summary>
internal sealed class VaultBroker(Func<string, string?> environment, TextWriter output, TimeProvider time)
{
    public async Task<int> RunAsync(string[] args, Func<string, int, Task<int>> fail)
    {
        if (args is ["store" or "erase", ..]) return ExitCodes.Done;
        var words = Words.Parse(args is ["get", ..] ? args[1..] : args, ["--role", "--mount", "--address", "--audience", .. TokenSource.Options]);
        var (role, mount) = (words.Text("--role", environment, "VAULT_ROLE"), words.Text("--mount", environment, "VAULT_MOUNT") ?? "jwt");
        var source = TokenSource.Resolve(words, environment);
        if (role is null) words.Mistakes.Add("--role is needed (or VAULT_ROLE)");
        if (!mount.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '/') || mount.StartsWith('/') || mount.EndsWith('/')) words.Mistakes.Add("--mount must be a path such as jwt");
        if (!Uri.TryCreate(words.Text("--address", environment, "VAULT_ADDR"), UriKind.Absolute, out var address) || !(address.Scheme == "https" || (address.Scheme == "http" && address.IsLoopback)))
            words.Mistakes.Add("--address must be Vault's https URL (or VAULT_ADDR)");
        if (words.Mistakes.Count > 0) return await fail(string.Join('\n', words.Mistakes), ExitCodes.Usage);

        var space = environment("VAULT_NAMESPACE");
        var audience = words.Text("--audience", environment) ?? address!.GetLeftPart(UriPartial.Authority);
        var cache = CredentialCache.For(source!, environment, time, "vault", address!.ToString(), space ?? "", mount, role!, audience);
        if (cache.Read() is { } kept)
        {
            await output.WriteLineAsync(kept);
            return ExitCodes.Done;
        }

        var answer = await PipelineToken.GetAsync(source!, audience, environment);
        if (answer.Token is not { } token) return await fail(answer.Error!, answer.ExitCode);
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(address, $"/v1/auth/{mount}/login"));
        request.Headers.Add("X-Vault-Request", "true");
        if (!string.IsNullOrEmpty(space)) request.Headers.TryAddWithoutValidation("X-Vault-Namespace", space);
        request.Content = new StringContent(Json.Of(writer =>
        {
            writer.WriteString("role", role);
            writer.WriteString("jwt", token);
        }), Encoding.UTF8, "application/json");
        var (status, body, error) = await AwsHttp.SendAsync(request);
        if (error is not null) return await fail(error, ExitCodes.Unreachable);
        if (status != HttpStatusCode.OK) return await fail(AwsHttp.OneLine($"Vault refused with status {(int)status}: {Json.Text(body, "errors", "0")}"), ExitCodes.Refused);
        if (Json.Text(body, "auth", "client_token") is not { Length: > 0 } client || client.Any(char.IsControl)) return await fail("the answer of Vault holds no token", ExitCodes.Unreachable);
        cache.Keep(
            client, time.GetUtcNow().AddSeconds(Json.Number(body, "auth", "lease_duration") ?? 0), TokenDescription.ExpiryOf(token) is { } end ? DateTimeOffset.FromUnixTimeSeconds(end) : null);
        await output.WriteLineAsync(client);
        return ExitCodes.Done;
    }
}
