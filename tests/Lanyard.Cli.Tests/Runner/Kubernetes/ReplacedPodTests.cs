using System.IO.Pipelines;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Attempts;
using Lanyard.Cli.Runner.Kubernetes;
using Lanyard.Cli.Runner.Server;
using Lanyard.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Kubernetes;

/// <summary>Kubernetes makes another pod of a Job as soon as the first is being taken away: for a while, a Job has two.</summary>
[Line("5.1")]
public sealed class ReplacedPodTests : IAsyncDisposable
{
    private const string Job = "run-1-1";
    private const string JobUid = "j1";
    private const string Alive = """{"running":{}}""";
    private readonly Pipe _changes = new();
    private readonly List<JsonObject> _pods = [];
    private readonly List<JsonNode> _ends = [];
    private readonly List<string> _named = [];
    private readonly string _token = Path.GetTempFileName();
    private readonly HttpClient _http;
    private readonly ClusterApi _cluster;
    private readonly PodWatch _watch;

    public ReplacedPodTests()
    {
        File.WriteAllText(_token, "the-runners-own-token");
        _http = new HttpClient(new StubHandler(OfServerAsync)) { BaseAddress = new Uri("https://server/") };
        _cluster = new ClusterApi(new HttpClient(new StubHandler(OfClusterAsync)), "https://cluster", "builds", tokenFile: null);
        _watch = new PodWatch(_cluster, "all=ours", TimeProvider.System, NullLogger.Instance);
    }

    public async ValueTask DisposeAsync()
    {
        await _watch.DisposeAsync();
        _cluster.Dispose();
        _http.Dispose();
        File.Delete(_token);
    }

    [Fact]
    public async Task A_list_with_both_ends_no_watch_and_what_comes_afterwards_is_seen()
    {
        _pods.AddRange([Pod("new", "12:01", Alive), Pod("old", "12:00", Alive)]);
        _watch.Start();
        await SayAsync("ADDED", Pod("other", "12:02", Alive, "run-2-1"));
        await Eventually.HoldsAsync(() => Task.FromResult(_watch.Find("run-2-1", null, JobUid) is not null), "another Job's pod is seen");

        Assert.Equal("old", _watch.Find(Job, null, JobUid)!.Uid);
        Assert.Equal("new", _watch.Find(Job, "new", JobUid)!.Uid);
        await SayAsync("DELETED", Pod("old", "12:00", Alive));
        await Eventually.HoldsAsync(() => Task.FromResult(_watch.Find(Job, "old", JobUid) is null), "the first is gone");
        Assert.Equal("new", _watch.Find(Job, null, JobUid)!.Uid);
    }

    /// <summary>The other one gets nothing from the server and waits for a quarter of an hour; the runner would hold the attempt meanwhile.</summary>
    [Fact]
    public async Task A_pod_that_was_killed_is_missed_at_once_though_another_stands_in_its_place()
    {
        _pods.Add(Pod("old", "12:00", Alive));
        _watch.Start();
        using var attempt = Attempt();
        var running = attempt.RunAsync();
        await Eventually.HoldsAsync(() => Task.FromResult(_named.Count == 1), "the pod is named");
        await SayAsync("ADDED", Pod("new", "12:01", Alive));
        await SayAsync("DELETED", Pod("old", "12:00", Alive));
        await Eventually.HoldsAsync(() => Task.FromResult(_ends.Count == 1 && attempt.IsOver), "its end is told, and no poll names it any more");
        Assert.False(running.IsCompleted); // the Job's other pod is still there
        await SayAsync("DELETED", Pod("new", "12:01", Alive));

        Assert.Equal("runner_error", await running.WaitAsync(TimeSpan.FromSeconds(120), TestContext.Current.CancellationToken));
        Assert.Equal(("runner_error", "the pod is gone"), (_ends.Single()["outcome"]!.GetValue<string>(), _ends.Single()["reason"]!.GetValue<string>()));
        Assert.Equal(["old"], _named);
    }

    /// <summary>Whoever may make pods in the namespace can give them any label, and know of a run before its runner has made the Job.</summary>
    [Fact]
    [Line("5.2")]
    public async Task A_pod_that_was_there_before_and_only_says_that_it_is_the_Jobs_is_not_named()
    {
        _pods.AddRange([Pod("stranger", "11:00", Alive, owner: null), Pod("guess", "11:01", Alive, owner: "another-job"), Pod("old", "12:00", Alive)]);
        _watch.Start();
        using var attempt = Attempt();
        var running = attempt.RunAsync();
        await Eventually.HoldsAsync(() => Task.FromResult(_named.Count == 1), "the pod is named");
        Assert.Equal(["old"], _named);
        attempt.Stop(StopReason.Released);
        Assert.Null(await running.WaitAsync(TimeSpan.FromSeconds(120), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_pod_that_still_ends_is_the_attempts_however_many_stand_in_its_place()
    {
        _pods.Add(Pod("old", "12:00", Alive));
        _watch.Start();
        using var attempt = Attempt();
        var running = attempt.RunAsync();
        await Eventually.HoldsAsync(() => Task.FromResult(_named.Count == 1), "the pod is named");
        await SayAsync("ADDED", Pod("new", "12:01", """{"waiting":{"reason":"ErrImageNeverPull"}}"""));
        var over = Pod("old", "12:00", """{"terminated":{"reason":"Completed","exitCode":0}}""");
        over["status"]!["phase"] = "Succeeded";
        await SayAsync("MODIFIED", over);
        await SayAsync("DELETED", Pod("new", "12:01", Alive));

        Assert.Null(await running.WaitAsync(TimeSpan.FromSeconds(120), TestContext.Current.CancellationToken));
        Assert.Empty(_ends);
    }

    [Fact]
    public void Who_is_asked_to_end_says_itself_how_its_steps_ended_within_the_time_that_they_have()
    {
        var pod = Pod("old", "12:00", Alive);
        pod["metadata"]!["deletionTimestamp"] = "2026-11-20T12:10:00Z";
        pod["metadata"]!["deletionGracePeriodSeconds"] = 320;

        Assert.True(PodVerdict.Of(PodState.Of(pod)!)!.Patience > 320);
    }

    private PodAttempt Attempt() => new(
        new AttemptKey("run_1", 1), null, JobUid, "lanyard-run", new KubernetesSettings("lanyard:1", null, null, "builds", null, "lanyard-run", [], TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(10)),
        _cluster, _watch, new RunnerServices(new ControlPlane(_http, new TokenFileCredential(_token, TimeProvider.System), TimeProvider.System), TimeProvider.System, NullLogger.Instance));

    private static JsonObject Pod(string uid, string made, string steps, string job = Job, string? owner = JobUid) => (JsonObject)JsonNode.Parse($$$"""
        {"metadata":{"name":"{{{uid}}}","uid":"{{{uid}}}","creationTimestamp":"2026-11-20T{{{made}}}:00Z","labels":{"job-name":"{{{job}}}"},
          "ownerReferences":[{"apiVersion":"batch/v1","kind":"Job","name":"{{{job}}}","uid":"{{{owner}}}","controller":{{{(owner is null ? "false" : "true")}}}}]},
         "status":{"phase":"Running","containerStatuses":[{"name":"lanyard","state":{"running":{} } },{"name":"steps","state":{{{steps}}} }]}}
        """)!;

    private async Task SayAsync(string type, JsonObject pod)
    {
        if (type is "DELETED")
        {
            _pods.RemoveAll(one => JsonNode.DeepEquals(one["metadata"]!["uid"], pod["metadata"]!["uid"]));
        }

        await _changes.Writer.WriteAsync(Encoding.UTF8.GetBytes(new JsonObject { ["type"] = type, ["object"] = pod.DeepClone() }.ToJsonString() + "\n"));
    }

    private Task<HttpResponseMessage> OfClusterAsync(HttpRequestMessage request)
    {
        var path = request.RequestUri!.PathAndQuery;
        if (path.Contains("watch=1", StringComparison.Ordinal))
        {
            return Task.FromResult(new HttpResponseMessage { Content = new StreamContent(_changes.Reader.AsStream()) });
        }

        var items = path.Contains("/pods", StringComparison.Ordinal) ? new JsonArray([.. _pods.Select(static pod => pod.DeepClone())]) : [];
        return Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK)
        {
            Content = new StringContent(new JsonObject { ["items"] = items, ["metadata"] = new JsonObject { ["resourceVersion"] = "1" } }.ToJsonString()),
        });
    }

    private async Task<HttpResponseMessage> OfServerAsync(HttpRequestMessage request)
    {
        var path = request.RequestUri!.AbsolutePath;
        var body = JsonNode.Parse(await request.Content!.ReadAsStringAsync())!;
        if (path.EndsWith("/end", StringComparison.Ordinal))
        {
            _ends.Add(body);
        }
        else if (path.EndsWith("/pod", StringComparison.Ordinal))
        {
            _named.Add(body["uid"]!.GetValue<string>());
        }

        return new HttpResponseMessage { Content = new StringContent("""{"state":"running"}""") };
    }
}
