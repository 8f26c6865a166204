using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Identity;
using Lanyard.Identity.Jose;
using Lanyard.Protocol.Resources;

namespace Lanyard.Server.Exchange;

/// <summary>Makes installation tokens by GitHub's REST API: the App proves itself by a JWT of ten minutes at most, finds the repository's installation, asks for less than it has.</summary>
internal sealed class GitHubTokens(TimeProvider time) : IDisposable
{
    private static readonly string Header = Base64Url.Encode("""{"alg":"RS256","typ":"JWT"}"""u8);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(15);
    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, PooledConnectionLifetime = TimeSpan.FromMinutes(5) })
    {
        Timeout = Timeout,
        MaxResponseContentBufferSize = 1024 * 1024,
    };

    /// <param name="repositories">Of one owner, as <c>owner/name</c>.</param>
    public async Task<Outcome<GitHubToken>> MintAsync(GitHubApp app, IReadOnlyList<string> repositories, IReadOnlyDictionary<string, string> permissions, CancellationToken cancellation)
    {
        try
        {
            if (!(await AssertionAsync(app, cancellation)).TryGet(out var assertion, out var refusal)) return refusal;
            var (answer, found) = await SendAsync(app, assertion, HttpMethod.Get, $"/repos/{repositories[0]}/installation", null, cancellation);
            if (answer.Status != HttpStatusCode.OK) return Refused(answer, $"the App {app.Name} is not installed for {repositories[0]}");
            var body = new JsonObject
            {
                ["repositories"] = new JsonArray([.. repositories.Select(static name => JsonValue.Create(name[(name.IndexOf('/', StringComparison.Ordinal) + 1)..]))]),
                ["permissions"] = new JsonObject(permissions.Select(static one => new KeyValuePair<string, JsonNode?>(one.Key, one.Value))),
            };
            (answer, var made) = await SendAsync(app, assertion, HttpMethod.Post, $"/app/installations/{found!["id"]!.GetValue<long>()}/access_tokens", body, cancellation);
            if (answer.Status != HttpStatusCode.Created) return Refused(answer, $"GitHub gives no such token ({(int)answer.Status}): a permission or a repository is not the App's");
            return new GitHubToken(made!["token"]!.GetValue<string>(), made["expires_at"]!.GetValue<DateTimeOffset>(), repositories, permissions);
        }
        catch (Exception e) when (e is HttpRequestException or JsonException or InvalidOperationException or FormatException or NullReferenceException || (e is TaskCanceledException && !cancellation.IsCancellationRequested))
        {
            return new Refusal(RefusalReason.Unavailable, $"{app.Api}: {e.GetType().Name}");
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<((HttpStatusCode Status, bool MustWait) Answer, JsonNode? Body)> SendAsync(GitHubApp app, string assertion, HttpMethod method, string path, JsonObject? body, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(method, app.Api + path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", assertion);
        request.Headers.Accept.ParseAdd("application/vnd.github+json");
        request.Headers.UserAgent.ParseAdd("lanyard");
        request.Headers.Add("X-GitHub-Api-Version", "2022-11-28");
        if (body is not null) request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        using var response = await _http.SendAsync(request, cancellation);
        var text = await response.Content.ReadAsStringAsync(cancellation);
        // Against abuse GitHub answers 403, 422 or 429, as to what it does not allow, and says so in these headers alone.
        var mustWait = !response.IsSuccessStatusCode
            && (response.Headers.RetryAfter is not null || (response.Headers.TryGetValues("X-RateLimit-Remaining", out var remaining) && remaining.SequenceEqual(["0"])));
        return ((response.StatusCode, mustWait), response.IsSuccessStatusCode ? JsonNode.Parse(text) : null);
    }

    /// <summary>A minute back, for clocks that differ, and nine ahead: GitHub takes ten at most.</summary>
    private async Task<Outcome<string>> AssertionAsync(GitHubApp app, CancellationToken cancellation)
    {
        var now = time.GetUtcNow().ToUnixTimeSeconds();
        var claims = new JsonObject { ["iss"] = app.ClientId, ["iat"] = now - 60, ["exp"] = now + 540 };
        var input = $"{Header}.{Base64Url.Encode(Encoding.UTF8.GetBytes(claims.ToJsonString()))}";
        return (await app.Sign(Encoding.ASCII.GetBytes(input), cancellation)).TryGet(out var signature, out var refusal) ? $"{input}.{Base64Url.Encode(signature)}" : refusal;
    }

    private static Refusal Refused((HttpStatusCode Status, bool MustWait) answer, string detail) => answer.MustWait
        ? new(RefusalReason.Unavailable, $"GitHub wants the App to ask less often (status {(int)answer.Status})")
        : new(
            answer.Status is HttpStatusCode.NotFound or HttpStatusCode.UnprocessableEntity or HttpStatusCode.Forbidden ? RefusalReason.Forbidden : RefusalReason.Unavailable,
            $"{detail} (status {(int)answer.Status})");
}
