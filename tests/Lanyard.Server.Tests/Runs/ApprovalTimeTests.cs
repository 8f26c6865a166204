using System.Net;
using System.Text.Json;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("5.6")]
public sealed class SqliteApprovalTimeTests() : ApprovalTimeTests(DatabaseKind.Sqlite);

[Line("5.6")]
[Needs("postgres")]
public sealed class PostgresApprovalTimeTests() : ApprovalTimeTests(DatabaseKind.Postgres);

/// <summary>Nobody waits for ever: a plan is approved in its time or not at all.</summary>
public abstract class ApprovalTimeTests(DatabaseKind kind) : IAsyncLifetime
{
    private const string Home = "/v1/workspaces/demo/collections/one";
    private readonly ManualTime _time = new();
    private RunsServer _runs = null!;
    private SimulatedRunner _runner = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _runs = await RunsServer.StartAsync(kind, time: _time);
        (await _runs.Server.PutAsync($"{Home}/definitions/patient", """{"spec":{"steps":[],"opentofu":{}}}""")).Made();
        (await _runs.Server.PutAsync($"{Home}/definitions/brief", """{"spec":{"steps":[],"queueTimeoutSeconds":60,"opentofu":{"approvalTimeoutSeconds":600}}}""")).Made();
        _runner = await _runs.RunnerAsync("r1", "one");
        await _runner.OpenAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_runs is not null) await _runs.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData("patient", 259_200)]
    [InlineData("brief", 600)]
    public async Task A_plan_that_nobody_approves_in_its_time_ends_and_can_be_approved_no_more(string definition, int seconds)
    {
        await _runs.CreateAsync($$"""{"definition":"{{definition}}"}""");
        var run = await _runner.TakeAsync();
        Assert.Equal(HttpStatusCode.NoContent, (await _runner.RawAsync(HttpMethod.Put, run, "plan", "the plan")).Status);
        Assert.Equal(HttpStatusCode.OK, (await _runner.PlannedAsync(run, 2)).Status);
        var sweeper = _runs.Get<RunSweeper>();
        var until = (_time.GetUtcNow() + TimeSpan.FromSeconds(seconds)).ToString("yyyy-MM-dd HH:mm'Z'", System.Globalization.CultureInfo.InvariantCulture);
        Assert.Contains(until, await WhyAsync(), StringComparison.Ordinal);

        _time.Advance(TimeSpan.FromSeconds(seconds) - TimeSpan.FromMilliseconds(1));
        await SweepAsync();
        Assert.Equal("queued", Text(await _runs.RunAsync(run), "state"));
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(HttpStatusCode.Conflict, (await SayAsync(run, "approve")).Status);
        await SweepAsync();

        var view = await _runs.RunAsync(run);
        Assert.Equal(("timed_out", RunReasons.ApprovalExpired), (Text(view, "state"), Text(view, "reason")));
        Assert.False(view.TryGetProperty("waitingFor", out _));
        Assert.Contains("approval_expired", await WhyAsync(), StringComparison.Ordinal);
        foreach (var word in (string[])["approve", "discard"]) Assert.Equal(HttpStatusCode.Conflict, (await SayAsync(run, word)).Status);
        Assert.Empty((await _runner.PollAsync()).Value!.Offers);
        await _runs.Get<Lanyard.Server.Runs.Opentofu.PlanStore>().RemoveFinishedAsync(Cancel);
        Assert.Equal(0, await _runs.Server.Database.ScalarAsync($"select count(*) from plans", Cancel));
        Assert.Equal(1, await _runs.Server.Database.ScalarAsync($"select count(*) from audit_events where action = {"run.expire"} and event like {$"%{run}%"}", Cancel));

        async Task SweepAsync()
        {
            await sweeper.SweepAsync(Cancel);
            await sweeper.SweepQueuesAsync(Cancel);
            await sweeper.SweepOwnTimesAsync(Cancel);
            await sweeper.SweepUnapprovedAsync(Cancel);
        }

        async Task<string> WhyAsync() => (await _runs.Server.GetAsync($"{RunsServer.Runs}/{run}/why")).Body;
    }

    [Theory]
    [InlineData(59)]
    [InlineData(2_592_001)]
    public async Task A_time_for_approval_that_nobody_means_is_a_mistake(int seconds) => Assert.Equal(
        HttpStatusCode.BadRequest,
        (await _runs.Server.PutAsync($"{Home}/definitions/x", """{"spec":{"steps":[],"opentofu":{"approvalTimeoutSeconds":SECONDS}}}""".Replace("SECONDS", $"{seconds}", StringComparison.Ordinal))).Status);

    private static string? Text(JsonElement element, string name) => element.TryGetProperty(name, out var value) ? value.GetString() : null;

    private Task<Answer> SayAsync(string run, string word) => _runs.Server.SendAsync(HttpMethod.Post, $"{RunsServer.Runs}/{run}/{word}", "admin", "{}");
}
