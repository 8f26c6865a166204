using System.Net;
using System.Text;
using Lanyard.Credentials.Aws;
using Lanyard.Credentials.Pipelines;

namespace Lanyard.Credentials.Brokers;

/// <summary>
/// A git credential helper: git says for which repository, and reads a user and a password. The token is an installation's of a GitHub App; Lanyard's server makes it, for
/// what a trust policy of the workspace allows this pipeline (<c>allow.github</c>).
/// </summary>
internal sealed class GitHubBroker(Func<string, string?> environment, TextReader input, TextWriter output, TimeProvider time)
{
    private const int MaxLines = 64;

    public async Task<int> RunAsync(string[] args, Func<string, int, Task<int>> fail)
    {
        if (args is ["store" or "erase", ..]) return ExitCodes.Done;
        if (args is not ["get", .. var rest]) return await fail("get, store or erase", ExitCodes.Usage);
        var words = Words.Parse(rest, ["--lanyard", "--workspace", "--audience", "--host", .. TokenSource.Options]);
        var source = TokenSource.Resolve(words, environment);
        var workspace = words.Text("--workspace", environment, "LANYARD_WORKSPACE");
        if (workspace is null || !workspace.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-')) words.Mistakes.Add("--workspace is needed (or LANYARD_WORKSPACE)");
        if (!Uri.TryCreate(words.Text("--lanyard", environment, "LANYARD_SERVER"), UriKind.Absolute, out var server) || !(server.Scheme == "https" || (server.Scheme == "http" && server.IsLoopback)))
            words.Mistakes.Add("--lanyard must be the instance's https URL (or LANYARD_SERVER)");
        if (words.Mistakes.Count > 0) return await fail(string.Join('\n', words.Mistakes), ExitCodes.Usage);

        var asked = await ReadAsync();
        // For another host, or over plain http, git goes on to its next helper.
        if (asked.GetValueOrDefault("protocol") != "https" || asked.GetValueOrDefault("host") != (words.Text("--host", environment) ?? "github.com")) return ExitCodes.Done;
        var repository = RepositoryOf(asked.GetValueOrDefault("path"));
        var audience = words.Text("--audience", environment) ?? server!.GetLeftPart(UriPartial.Authority);
        var cache = CredentialCache.For(source!, environment, time, "github", server!.ToString(), workspace!, repository ?? "", audience);
        if (cache.Read() is not { } text)
        {
            var answer = await PipelineToken.GetAsync(source!, audience, environment);
            if (answer.Token is not { } token) return await fail(answer.Error!, answer.ExitCode);
            var (status, body, error) = await AskAsync(server, workspace!, repository, token);
            if (error is not null) return await fail(error, ExitCodes.Unreachable);
            if (status != HttpStatusCode.OK) return await fail(AwsHttp.OneLine($"Lanyard refused with status {(int)status}: {Json.Text(body, "title")}"), ExitCodes.Refused);
            if (Json.Text(body, "token") is not { Length: > 0 } made || made.Any(char.IsControl) || !DateTimeOffset.TryParse(Json.Text(body, "expiresAt"), out var ends))
                return await fail("the answer holds no token", ExitCodes.Unreachable);
            text = $"username=x-access-token\npassword={made}\npassword_expiry_utc={ends.ToUnixTimeSeconds()}";
            cache.Keep(text, ends, TokenDescription.ExpiryOf(token) is { } end ? DateTimeOffset.FromUnixTimeSeconds(end) : null);
        }

        await output.WriteLineAsync(text);
        return ExitCodes.Done;
    }

    private static Task<(HttpStatusCode Status, byte[] Body, string? Error)> AskAsync(Uri server, string workspace, string? repository, string token)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server, $"/v1/workspaces/{workspace}/github-tokens"));
        request.Headers.Authorization = new("Bearer", token);
        request.Content = new StringContent(
            Json.Of(writer =>
            {
                if (repository is null) return;
                writer.WriteStartArray("repositories");
                writer.WriteStringValue(repository);
                writer.WriteEndArray();
            }),
            Encoding.UTF8, "application/json");
        return AwsHttp.SendAsync(request);
    }

    /// <summary><c>key=value</c> lines up to an empty one (git-credential(1)).</summary>
    private async Task<Dictionary<string, string>> ReadAsync()
    {
        var asked = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < MaxLines && await input.ReadLineAsync() is { Length: > 0 } line; i++)
            if (line.IndexOf('=', StringComparison.Ordinal) is > 0 and var equals) asked[line[..equals]] = line[(equals + 1)..];
        return asked;
    }

    /// <returns>Null where git does not say it (without <c>credential.useHttpPath</c>): then everything that the policy allows.</returns>
    private static string? RepositoryOf(string? path)
    {
        var name = path?.TrimStart('/');
        if (name?.EndsWith(".git", StringComparison.Ordinal) == true) name = name[..^4];
        return name?.Split('/') is [{ Length: > 0 } owner, { Length: > 0 } repository] ? $"{owner}/{repository}" : null;
    }
}
