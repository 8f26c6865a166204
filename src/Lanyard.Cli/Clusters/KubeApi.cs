using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Clusters;

/// <summary>The few calls of the Kubernetes API that registering needs.</summary>
internal sealed class KubeApi(string server, HttpClient http, IDisposable? owner = null) : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public string Server { get; } = server.TrimEnd('/');

    public async Task<string> GetVersionAsync(CancellationToken cancellationToken) =>
        HttpCall.Text((await GetAsync("/version", cancellationToken))["gitVersion"]) ?? "unknown";

    /// <summary>The issuer of service-account tokens, as the API server's own discovery document has it.</summary>
    public async Task<string> GetIssuerAsync(CancellationToken cancellationToken) =>
        HttpCall.Text((await GetAsync("/.well-known/openid-configuration", cancellationToken))["issuer"])
        ?? throw new CommandStopped(ExitCode.Unreachable, "the API server's discovery document names no issuer.");

    public Task<JsonObject> GetKeysAsync(CancellationToken cancellationToken) => GetAsync("/openid/v1/jwks", cancellationToken);

    public async Task<bool> ExistsAsync(string path, CancellationToken cancellationToken)
    {
        var answer = await SendAsync(HttpMethod.Get, path, null, cancellationToken);
        return answer.Status != HttpStatusCode.NotFound && (answer.IsSuccess ? true : throw Refused(answer, path));
    }

    /// <returns>False where it was there already.</returns>
    public async Task<bool> CreateAsync(string path, JsonObject resource, CancellationToken cancellationToken)
    {
        var answer = await SendAsync(HttpMethod.Post, path, resource, cancellationToken);
        return answer.Status != HttpStatusCode.Conflict && (answer.IsSuccess ? true : throw Refused(answer, path));
    }

    /// <summary>A token by TokenRequest (authentication.k8s.io/v1).</summary>
    public async Task<string> RequestTokenAsync(string @namespace, string serviceAccount, string audience, int seconds, CancellationToken cancellationToken)
    {
        var path = $"/api/v1/namespaces/{@namespace}/serviceaccounts/{serviceAccount}/token";
        var body = new JsonObject
        {
            ["apiVersion"] = "authentication.k8s.io/v1",
            ["kind"] = "TokenRequest",
            ["spec"] = new JsonObject { ["audiences"] = new JsonArray(audience), ["expirationSeconds"] = seconds },
        };
        var answer = await SendAsync(HttpMethod.Post, path, body, cancellationToken);
        return answer.IsSuccess && HttpCall.Text((answer.Json?["status"] as JsonObject)?["token"]) is { } token ? token : throw Refused(answer, path);
    }

    /// <summary>What the API server says of a token (TokenReview, authentication.k8s.io/v1): its <c>status</c>.</summary>
    public async Task<JsonObject> ReviewTokenAsync(string token, IEnumerable<string> audiences, CancellationToken cancellationToken)
    {
        const string path = "/apis/authentication.k8s.io/v1/tokenreviews";
        var body = new JsonObject
        {
            ["apiVersion"] = "authentication.k8s.io/v1",
            ["kind"] = "TokenReview",
            ["spec"] = new JsonObject { ["token"] = token, ["audiences"] = new JsonArray([.. audiences.Select(static audience => JsonValue.Create(audience))]) },
        };
        var answer = await SendAsync(HttpMethod.Post, path, body, cancellationToken);
        return answer.IsSuccess && answer.Json?["status"] is JsonObject status ? status : throw Refused(answer, path);
    }

    private async Task<JsonObject> GetAsync(string path, CancellationToken cancellationToken)
    {
        var answer = await SendAsync(HttpMethod.Get, path, null, cancellationToken);
        return answer.IsSuccess && answer.Json is JsonObject json ? json : throw Refused(answer, path);
    }

    private async Task<ApiAnswer> SendAsync(HttpMethod method, string path, JsonObject? body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, Server + path);
        if (body is not null)
        {
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        }

        using var response = await HttpCall.SendAsync(http, request, Limit, cancellationToken, "certificate-authority in the kubeconfig");
        return new ApiAnswer(response.StatusCode, await HttpCall.ReadTextAsync(response, cancellationToken), null);
    }

    private static CommandStopped Refused(ApiAnswer answer, string path) => new(
        answer.Status >= HttpStatusCode.InternalServerError ? ExitCode.Unreachable : ExitCode.Refused,
        $"the API server: {path}: {HttpCall.Text((answer.Json as JsonObject)?["message"]) ?? $"HTTP {(int)answer.Status}"}");

    public void Dispose()
    {
        http.Dispose();
        owner?.Dispose();
    }
}
