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
    private bool _isThere;
    private bool _isAway;

    public JobSweeperTests()
    {
        _cluster = new ClusterApi(new HttpClient(new StubHandler(AnswerAsync)), "https://cluster", "builds", tokenFile: null);
        _sweeper = new JobSweeper(_cluster, "all=ours", TimeSpan.FromMinutes(10), TimeProvider.System, NullLogger.Instance);
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
    public async Task A_Job_that_was_there_and_is_gone_is_forgotten()
    {
        _sweeper.Held(Key);
        _isThere = true;
        await _sweeper.SweepAsync();
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
        return Task.FromResult(new HttpResponseMessage(_isAway ? HttpStatusCode.ServiceUnavailable : HttpStatusCode.OK)
        {
            Content = new StringContent(new JsonObject { ["items"] = _isThere ? new JsonArray(job) : [] }.ToJsonString()),
        });
    }
}
