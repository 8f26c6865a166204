using System.Net;
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
public abstract class ApprovalTimeTests(DatabaseKind kind) : OpentofuTests(kind)
{
    [Theory]
    [InlineData("infra", 259_200)]
    [InlineData("brief", 600)]
    public async Task A_plan_that_nobody_approves_in_its_time_ends_and_can_be_approved_no_more(string definition, int seconds)
    {
        (await Runs.Server.PutAsync($"{Home}/definitions/brief", """{"spec":{"steps":[],"queueTimeoutSeconds":60,"opentofu":{"approvalTimeoutSeconds":600}}}""")).Made();
        var run = await PlanAsync(definition, "the plan");
        var sweeper = Runs.Get<RunSweeper>();
        var until = (Time.GetUtcNow() + TimeSpan.FromSeconds(seconds)).ToString("yyyy-MM-dd HH:mm'Z'", System.Globalization.CultureInfo.InvariantCulture);
        Assert.Contains(until, await WhyAsync(), StringComparison.Ordinal);

        Time.Advance(TimeSpan.FromSeconds(seconds) - TimeSpan.FromMilliseconds(1));
        await SweepAsync();
        Assert.Equal("queued", Text(await Runs.RunAsync(run), "state"));
        Time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(HttpStatusCode.Conflict, (await SayAsync(run, "approve")).Status);
        await SweepAsync();

        var view = await Runs.RunAsync(run);
        Assert.Equal(("timed_out", RunReasons.ApprovalExpired), (Text(view, "state"), Text(view, "reason")));
        Assert.False(view.TryGetProperty("waitingFor", out _));
        Assert.Contains("approval_expired", await WhyAsync(), StringComparison.Ordinal);
        foreach (var word in (string[])["approve", "discard"]) Assert.Equal(HttpStatusCode.Conflict, (await SayAsync(run, word)).Status);
        Assert.Empty((await Runner.PollAsync()).Value!.Offers);
        await Runs.Get<Lanyard.Server.Runs.Opentofu.PlanStore>().RemoveFinishedAsync(Cancel);
        Assert.Equal(0, await Runs.Server.Database.ScalarAsync($"select count(*) from plans", Cancel));
        Assert.Equal(1, await Runs.Server.Database.ScalarAsync($"select count(*) from audit_events where action = {"run.expire"} and event like {$"%{run}%"}", Cancel));

        async Task SweepAsync()
        {
            await sweeper.SweepAsync(Cancel);
            await sweeper.SweepQueuesAsync(Cancel);
            await sweeper.SweepOwnTimesAsync(Cancel);
            await sweeper.SweepUnapprovedAsync(Cancel);
        }

        async Task<string> WhyAsync() => (await Runs.Server.GetAsync($"{RunsServer.Runs}/{run}/why")).Body;
    }

    [Theory]
    [InlineData(59)]
    [InlineData(2_592_001)]
    public async Task A_time_for_approval_that_nobody_means_is_a_mistake(int seconds) => Assert.Equal(
        HttpStatusCode.BadRequest,
        (await Runs.Server.PutAsync($"{Home}/definitions/x", """{"spec":{"steps":[],"opentofu":{"approvalTimeoutSeconds":SECONDS}}}""".Replace("SECONDS", $"{seconds}", StringComparison.Ordinal))).Status);
}
