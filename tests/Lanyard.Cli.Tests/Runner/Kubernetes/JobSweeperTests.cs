using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Kubernetes;
using Lanyard.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Kubernetes;

[Line("5.1")]
public sealed class JobSweeperTests : IAsyncDisposable
{
    private static readonly AttemptKey Key = new("run_01k0000000000000000000000a", 1);
    private readonly List<string> _deleted = [];
    private readonly ClusterApi _cluster;
    private readonly JobSweeper _sweeper;
    private readonly ManualTime _time = new();
    private bool _isThere;
    private bool _isAway;
    private bool _lacksItems;
    private DateTimeOffset? _finished;

    public JobSweeperTests()
    {
        _cluster = new ClusterApi(new HttpClient(new StubHandler(AnswerAsync)), "https://cluster", "builds", tokenFile: null);
        _sweeper = new JobSweeper(_cluster, "all=ours", TimeSpan.FromMinutes(10), _time, NullLogger.Instance);
    }

    public async ValueTask DisposeAsync()
    {
        await _sweeper.DisposeAsync();
        _cluster.Dispose();
    }

    [Fact]
    public async Task A_Job_that_is_held_before_it_is_made_is_no_orphan_however_often_it_was_looked_for_in_vain()
    {
        _sweeper.Held(Key);
        await _sweeper.SweepAsync();
        await _sweeper.SweepAsync();
        _isThere = true;
        await _sweeper.SweepAsync();

        Assert.Empty(_deleted);
    }

    /// <summary>A runner that takes runs for a year would else remember each of them.</summary>
    [Fact]
    public async Task A_Job_that_was_left_and_is_gone_is_forgotten()
    {
        _sweeper.Held(Key);
        _isThere = true;
        await _sweeper.SweepAsync();
        _sweeper.Left(Key);
        _isThere = false;
        await _sweeper.SweepAsync();
        _isThere = true;
        await _sweeper.SweepAsync();

        Assert.EndsWith("/jobs/" + JobManifest.NameOf(Key), Assert.Single(_deleted), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_API_server_that_does_not_answer_makes_nothing_forgotten()
    {
        _sweeper.Held(Key);
        _isThere = true;
        await _sweeper.SweepAsync();
        _isAway = true;
        await _sweeper.SweepAsync();
        _isAway = false;
        await _sweeper.SweepAsync();

        Assert.Empty(_deleted);
    }

    [Fact]
    public async Task An_answer_that_lacks_its_Jobs_is_no_empty_list()
    {
        _sweeper.Held(Key);
        _sweeper.Left(Key);
        _isThere = true;
        await _sweeper.SweepAsync();
        _lacksItems = true;
        await _sweeper.SweepAsync();
        _lacksItems = false;
        await _sweeper.SweepAsync();

        Assert.Empty(_deleted);
    }

    [Fact]
    public async Task An_orphan_goes_at_once_and_what_could_not_be_deleted_when_its_attempt_ended_goes_some_minutes_later()
    {
        _isThere = true;
        await _sweeper.SweepAsync();
        Assert.Single(_deleted);

        _sweeper.Held(Key);
        _time.Advance(TimeSpan.FromHours(9));
        await _sweeper.SweepAsync();
        _sweeper.Left(Key);
        _time.Advance(TimeSpan.FromMinutes(4));
        await _sweeper.SweepAsync();
        Assert.Single(_deleted);
        _time.Advance(TimeSpan.FromMinutes(2));
        await _sweeper.SweepAsync();
        Assert.Equal(2, _deleted.Count);
    }

    /// <summary>The clock of this host may be hours ahead of the cluster's: what the runner still reads off the Job's pod must not go meanwhile.</summary>
    [Fact]
    public async Task A_finished_Job_is_kept_for_its_time_and_in_any_case_while_it_is_held()
    {
        _isThere = true;
        _finished = _time.GetUtcNow();
        _sweeper.Held(Key);
        _time.Advance(TimeSpan.FromHours(3));
        await _sweeper.SweepAsync();
        _sweeper.Left(Key);
        _finished = _time.GetUtcNow().AddMinutes(-9);
        await _sweeper.SweepAsync();
        Assert.Empty(_deleted);

        _time.Advance(TimeSpan.FromMinutes(2));
        await _sweeper.SweepAsync();
        Assert.Single(_deleted);
    }

    private Task<HttpResponseMessage> AnswerAsync(HttpRequestMessage request)
    {
        if (request.Method == HttpMethod.Delete)
        {
            _deleted.Add(request.RequestUri!.AbsolutePath);
        }

        var job = new JsonObject
        {
            ["metadata"] = new JsonObject
            {
                ["name"] = JobManifest.NameOf(Key), ["uid"] = "j1", ["labels"] = new JsonObject { [JobManifest.RunLabel] = Key.Run, [JobManifest.AttemptLabel] = "1" },
            },
        };
        if (_finished is { } finished)
        {
            job["status"] = new JsonObject { ["conditions"] = new JsonArray(new JsonObject { ["type"] = "Complete", ["status"] = "True", ["lastTransitionTime"] = $"{finished:yyyy-MM-dd'T'HH:mm:ss'Z'}" }) };
        }

        return Task.FromResult(new HttpResponseMessage(_isAway ? HttpStatusCode.ServiceUnavailable : HttpStatusCode.OK)
        {
            Content = new StringContent(_lacksItems ? "{}" : new JsonObject { ["items"] = _isThere ? new JsonArray(job) : [] }.ToJsonString()),
        });
    }
}
