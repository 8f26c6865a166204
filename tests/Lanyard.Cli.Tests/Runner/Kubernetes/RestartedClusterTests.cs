using System.Net;
using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Attempts;
using Lanyard.Cli.Runner.Kubernetes;
using Lanyard.Identity;
using Lanyard.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Kubernetes;

/// <summary>An API server that is away, cold, overloaded or confused, while a runner starts, watches, and holds what an earlier one has left running.</summary>
[Line("5.1")]
public sealed class RestartedClusterTests : IAsyncDisposable
{
    private readonly ManualTime _time = new();
    private readonly List<string> _asked = [];
    private readonly ClusterUnderTest _cluster;
    private Func<string, HttpResponseMessage> _answer = static _ => Of(HttpStatusCode.OK, """{"items":[]}""");

    public RestartedClusterTests() => _cluster = new ClusterUnderTest(_time, OfCluster);

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();

    [Theory]
    [InlineData(HttpStatusCode.Forbidden)]
    [InlineData(HttpStatusCode.Unauthorized)]
    [InlineData(HttpStatusCode.Gone)]
    [InlineData(HttpStatusCode.TooManyRequests)]
    [InlineData(HttpStatusCode.InternalServerError)]
    public async Task A_runner_that_starts_beside_an_API_server_that_just_starts_waits_for_it(HttpStatusCode status)
    {
        _answer = _ => _asked.Count < 5 ? Of(status, """{"message":"forbidden: not yet"}""") : Of(HttpStatusCode.OK, """{"kind":"JobList","items":null}""");

        Assert.Null(await _time.PassAsync(CheckAsync(), TimeSpan.FromSeconds(28)));
    }

    [Theory]
    [InlineData(HttpStatusCode.Forbidden, """{"message":"jobs.batch is forbidden"}""", "jobs.batch is forbidden")]
    [InlineData(HttpStatusCode.NotFound, """{"message":"the server could not find the requested resource"}""", "could not find")]
    [InlineData(HttpStatusCode.OK, "{}", "no list of Jobs")]
    public async Task A_runner_that_may_not_list_Jobs_says_so_and_ends(HttpStatusCode status, string body, string words)
    {
        _answer = _ => Of(status, body);

        var refusal = await _time.PassAsync(CheckAsync(), TimeSpan.FromSeconds(40));

        Assert.Contains(words, refusal!.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_overloaded_API_server_is_left_alone_for_as_long_as_it_asks()
    {
        _answer = _ =>
        {
            if (_asked.Count > 1) return Of(HttpStatusCode.OK, """{"items":[]}""");
            var busy = Of(HttpStatusCode.TooManyRequests, "{}");
            busy.Headers.Add("Retry-After", "20");
            return busy;
        };
        var checking = CheckAsync();
        await _time.PassAsync(TimeSpan.FromSeconds(19));
        Assert.Single(_asked);

        Assert.Null(await _time.PassAsync(checking, TimeSpan.FromSeconds(10)));
    }

    /// <summary>What an API server can stand least just after its start are lists of everything, by each runner, many times a second.</summary>
    [Theory]
    [InlineData(HttpStatusCode.Forbidden, "{}")]
    [InlineData(HttpStatusCode.TooManyRequests, "{}")]
    [InlineData(HttpStatusCode.OK, "")]
    [InlineData(HttpStatusCode.OK, """{"type":"ERROR","object":{"code":410}}""")]
    public async Task A_watch_that_ends_at_once_is_begun_anew_ever_later(HttpStatusCode status, string watch)
    {
        _answer = path => path.Contains("watch=1", StringComparison.Ordinal) ? Of(status, watch) : Of(HttpStatusCode.OK, """{"items":[],"metadata":{"resourceVersion":"1"}}""");
        _cluster.Watch.Start();
        await _time.PassAsync(TimeSpan.FromMinutes(2));

        Assert.InRange(_asked.Count(static path => !path.Contains("watch=1", StringComparison.Ordinal)), 5, 120);
    }

    [Fact]
    public async Task An_answer_that_lacks_its_pods_makes_none_gone()
    {
        _answer = path => path.Contains("watch=1", StringComparison.Ordinal) ? Of(HttpStatusCode.OK, "")
            : _asked.Count < 2 ? Of(HttpStatusCode.OK, List("""{"running":{}}""")) : Of(HttpStatusCode.OK, "{}");
        _cluster.Watch.Start();
        await _time.PassAsync(TimeSpan.FromMinutes(1));

        Assert.True(_asked.Count > 4);
        Assert.NotNull(_cluster.Watch.Find(JobManifest.NameOf(ClusterUnderTest.Key), "p1", "j1"));
    }

    /// <summary>The API server goes away just after a restarted runner has found the Job: what it does not see may be in the midst of an apply.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_pod_of_an_earlier_runner_that_can_not_be_seen_is_neither_given_up_nor_said_to_be_canceled_before_its_start(bool isCanceled)
    {
        _answer = static _ => Of(HttpStatusCode.ServiceUnavailable, "{}");
        _cluster.Watch.Start();
        using var attempt = _cluster.Attempt(null, "j1");
        var running = attempt.RunAsync();
        if (isCanceled) attempt.Stop(StopReason.Canceled);
        await _time.PassAsync(TimeSpan.FromMinutes(15), sleepers: 2);
        Assert.False(running.IsCompleted);
        Assert.Empty(_cluster.Ends);

        _answer = static path => path.Contains("/events", StringComparison.Ordinal) ? Of(HttpStatusCode.OK, """{"items":[]}""")
            : path.Contains("watch=1", StringComparison.Ordinal) ? Of(HttpStatusCode.OK, "") : Of(HttpStatusCode.OK, List("""{"terminated":{"exitCode":0,"reason":"Completed"}}""", "Succeeded"));
        await Eventually.HoldsAsync(
            () =>
            {
                _time.Advance(TimeSpan.FromSeconds(0.5)); // slowly: what takes its leave has a timer, and does not sleep
                return Task.FromResult(running.IsCompleted);
            },
            "it has come to its end");
        Assert.Null(await running);
        Assert.Empty(_cluster.Ends);
    }

    [Fact]
    public async Task A_pod_that_never_came_is_given_up_when_the_API_server_says_that_there_is_none()
    {
        var began = _time.GetUtcNow();
        _answer = path => _time.GetUtcNow() < began.AddMinutes(20) ? Of(HttpStatusCode.ServiceUnavailable, "{}") : path.Contains("watch=1", StringComparison.Ordinal) ? Of(HttpStatusCode.OK, "") : Of(HttpStatusCode.OK, """{"items":[]}""");
        _cluster.Watch.Start();
        using var attempt = _cluster.Attempt(null, "j1");

        Assert.Equal("runner_error", await _time.PassAsync(attempt.RunAsync(), TimeSpan.FromMinutes(25), sleepers: 2));
        Assert.Contains("did not start within 10 minutes", Assert.Single(_cluster.Ends), StringComparison.Ordinal);
    }

    private Task<Refusal?> CheckAsync() => KubernetesExecutor.CheckAsync(_cluster.Api, _time, NullLogger.Instance, TestContext.Current.CancellationToken);

    private static string List(string lanyard, string phase = "Running") => $$$"""
        {"kind":"PodList","metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"p1","uid":"p1","creationTimestamp":"2026-11-20T12:00:00Z","labels":{"job-name":"{{{JobManifest.NameOf(ClusterUnderTest.Key)}}}"},
          "ownerReferences":[{"kind":"Job","uid":"j1","controller":true}]},
         "status":{"phase":"{{{phase}}}","containerStatuses":[{"name":"lanyard","state":{{{lanyard}}} }]}}]}
        """;

    private static HttpResponseMessage Of(HttpStatusCode status, string body) => ClusterUnderTest.Answer(status, body);

    private Task<HttpResponseMessage> OfCluster(HttpRequestMessage request)
    {
        lock (_asked)
        {
            _asked.Add(request.RequestUri!.PathAndQuery);
            return Task.FromResult(_answer(request.RequestUri.PathAndQuery));
        }
    }
}
