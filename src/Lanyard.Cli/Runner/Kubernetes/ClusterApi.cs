using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Identity.Federation;

namespace Lanyard.Cli.Runner.Kubernetes;

/// <summary>The few calls of the Kubernetes API that a runner needs, in one namespace. The token is read anew for every call: the kubelet renews its file.</summary>
internal sealed class ClusterApi(ClusterClient client, string server, string @namespace, string? tokenFile) : IDisposable
{
    private const int MaxLine = 4 * 1024 * 1024;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);

    /// <summary>A watch is begun anew after that: one that has silently died must not be believed for long.</summary>
    private static readonly TimeSpan WatchLimit = TimeSpan.FromMinutes(4);

    private readonly string _server = server.TrimEnd('/');

    public ClusterApi(HttpClient http, string server, string @namespace, string? tokenFile)
        : this(new ClusterClient(http), server, @namespace, tokenFile)
    {
    }

    public string Namespace => @namespace;

    private string Jobs => $"/apis/batch/v1/namespaces/{@namespace}/jobs";

    private string Core => $"/api/v1/namespaces/{@namespace}";

    public Task<KubeAnswer> CreateJobAsync(JsonObject job, CancellationToken cancellationToken) => SendAsync(HttpMethod.Post, Jobs, job, cancellationToken);

    public Task<KubeAnswer> GetJobAsync(string name, CancellationToken cancellationToken) => SendAsync(HttpMethod.Get, $"{Jobs}/{name}", null, cancellationToken);

    public Task<KubeAnswer> ListJobsAsync(string selector, CancellationToken cancellationToken, int limit = 0) =>
        SendAsync(HttpMethod.Get, $"{Jobs}?labelSelector={Uri.EscapeDataString(selector)}{(limit > 0 ? $"&limit={limit}" : "")}", null, cancellationToken);

    /// <summary>With its pods, which get their grace period. 409 where the Job of this name is another.</summary>
    public Task<KubeAnswer> DeleteJobAsync(string name, string uid, CancellationToken cancellationToken) =>
        SendAsync(
            HttpMethod.Delete, $"{Jobs}/{name}",
            new JsonObject { ["propagationPolicy"] = "Background", ["preconditions"] = new JsonObject { ["uid"] = uid } }, cancellationToken);

    public Task<KubeAnswer> ListPodsAsync(string selector, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Get, $"{Core}/pods?labelSelector={Uri.EscapeDataString(selector)}", null, cancellationToken);

    /// <summary>As they are now, whatever a watch has seen.</summary>
    public Task<KubeAnswer> ListPodsOfAsync(string job, CancellationToken cancellationToken) => ListPodsAsync($"job-name={job}", cancellationToken);

    /// <summary>Events about an object of this name.</summary>
    public Task<KubeAnswer> ListEventsAsync(string name, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Get, $"{Core}/events?fieldSelector={Uri.EscapeDataString($"involvedObject.name={name}")}", null, cancellationToken);

    public Task<KubeAnswer> SendLeaseAsync(HttpMethod method, string? name, JsonObject? lease, CancellationToken cancellationToken) =>
        SendAsync(method, $"/apis/coordination.k8s.io/v1/namespaces/{@namespace}/leases{(name is null ? "" : "/" + name)}", lease, cancellationToken);

    /// <summary>Changes of pods after a version, until the server ends it or it has lasted for some minutes.</summary>
    /// <exception cref="HttpRequestException">It could not be begun.</exception>
    /// <exception cref="IOException">It broke off.</exception>
    public async IAsyncEnumerable<JsonObject> WatchPodsAsync(string selector, string version, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(WatchLimit + Limit);
        var path = $"{Core}/pods?watch=1&allowWatchBookmarks=true&timeoutSeconds={(int)WatchLimit.TotalSeconds}"
            + $"&labelSelector={Uri.EscapeDataString(selector)}&resourceVersion={Uri.EscapeDataString(version)}";
        using var request = await RequestAsync(HttpMethod.Get, path, null, limit.Token);
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
        response.EnsureSuccessStatusCode();
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(limit.Token), Encoding.UTF8);
        while (await reader.ReadLineAsync(limit.Token) is { } line)
        {
            if (line.Length is > 0 and < MaxLine && Parse(line) is { } change)
            {
                yield return change;
            }
        }
    }

    public void Dispose() => client.Dispose();

    private async Task<KubeAnswer> SendAsync(HttpMethod method, string path, JsonObject? body, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Limit);
        try
        {
            using var request = await RequestAsync(method, path, body, limit.Token);
            using var response = await client.SendAsync(request, HttpCompletionOption.ResponseContentRead, limit.Token);
            var json = Parse(await response.Content.ReadAsStringAsync(limit.Token));
            return response.IsSuccessStatusCode && json is null
                ? new KubeAnswer(0, null, "the answer is no API server's, or was cut off")
                : new KubeAnswer((int)response.StatusCode, json, Text(json?["message"]) ?? $"HTTP {(int)response.StatusCode}", response.Headers.RetryAfter?.Delta);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or UnauthorizedAccessException
            || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return new KubeAnswer(0, null, exception is OperationCanceledException ? $"no answer within {Limit.TotalSeconds:0} s" : ConnectionFault.Words(exception));
        }
    }

    private async Task<HttpRequestMessage> RequestAsync(HttpMethod method, string path, JsonObject? body, CancellationToken cancellationToken)
    {
        var request = new HttpRequestMessage(method, _server + path) { Version = HttpVersion.Version11 };
        if (tokenFile is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", (await File.ReadAllTextAsync(tokenFile, cancellationToken)).Trim());
        }

        if (body is not null)
        {
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        }

        return request;
    }

    internal static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    private static JsonObject? Parse(string text)
    {
        try
        {
            return JsonNode.Parse(text) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
