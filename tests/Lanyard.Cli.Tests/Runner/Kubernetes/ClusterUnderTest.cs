using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Kubernetes;
using Lanyard.Cli.Runner.Server;
using Lanyard.Identity;
using Microsoft.Extensions.Logging.Abstractions;

namespace Lanyard.Cli.Tests.Runner.Kubernetes;

/// <summary>What a runner in Kubernetes speaks with: an API server that answers as a test says, and a server that takes everything and remembers how attempts ended.</summary>
internal sealed class ClusterUnderTest : IAsyncDisposable
{
    private readonly string _token = Path.GetTempFileName();
    private readonly HttpClient _http;

    public ClusterUnderTest(TimeProvider time, Func<HttpRequestMessage, Task<HttpResponseMessage>> answer)
    {
        File.WriteAllText(_token, "the-runners-own-token");
        _http = new HttpClient(new StubHandler(TakeAsync)) { BaseAddress = new Uri("https://server/") };
        Api = new ClusterApi(new HttpClient(new StubHandler(answer)), "https://cluster", "builds", tokenFile: null);
        Watch = new PodWatch(Api, "all=ours", time, NullLogger.Instance);
        Services = new RunnerServices(new ControlPlane(_http, new TokenFileCredential(_token, TimeProvider.System), TimeProvider.System), time, NullLogger.Instance);
    }

    public static AttemptKey Key { get; } = new("run_01kg5q3v7he4x8s2m6n9p0r1t3", 1);

    public static KubernetesSettings Settings { get; } =
        new("lanyard:1", null, null, "builds", null, "lanyard-run", [], TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(10));

    public ClusterApi Api { get; }

    public PodWatch Watch { get; }

    public RunnerServices Services { get; }

    /// <summary>Why each attempt is said to have ended.</summary>
    public List<string> Ends { get; } = [];

    public static HttpResponseMessage Answer(HttpStatusCode status, string body) => new(status) { Content = new StringContent(body) };

    /// <param name="job">The manifest; null: the Job is there already.</param>
    public PodAttempt Attempt(Outcome<JsonObject>? job, string? jobUid) => new(Key, job, jobUid, "lanyard-run", Settings, Api, Watch, Services);

    public async ValueTask DisposeAsync()
    {
        await Watch.DisposeAsync();
        Api.Dispose();
        _http.Dispose();
        File.Delete(_token);
    }

    private async Task<HttpResponseMessage> TakeAsync(HttpRequestMessage request)
    {
        if (request.RequestUri!.AbsolutePath.EndsWith("/end", StringComparison.Ordinal))
        {
            Ends.Add(JsonNode.Parse(await request.Content!.ReadAsStringAsync())!["reason"]!.GetValue<string>());
        }

        return Answer(HttpStatusCode.OK, """{"state":"running"}""");
    }
}
