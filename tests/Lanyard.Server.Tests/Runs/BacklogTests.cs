using Lanyard.Server.Runs;
using Lanyard.Server.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

/// <summary>
/// 200,000 runs wait, in one collection mostly, before and after the database has counted them: what a claim, a poll and a limit read does not grow with them. Looked at by the plan and by the
/// pages that were touched, never by the clock.
/// </summary>
[Line("5.8")]
[Needs("postgres")]
public sealed class BacklogTests : BacklogFixture
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_claim_reads_the_front_of_its_queue_and_nothing_of_the_rest(bool isCounted)
    {
        if (isCounted)
            await Test.Database.ExecuteAsync($"analyze runs", Cancel);
        var runner = await Runs.RunnerAsync("rnr_1", "col_1");
        foreach (var limit in (int[])[1, 50])
        {
            var plan = await ExplainAsync(Runs.Claims.Claim("col_1", "rnr_1", runner.Session!.Session, limit, Runs.Rules.Now, Runs.Rules.OfferEnd));
            Assert.Contains("runs_queue", plan.Indexes);
            Assert.DoesNotContain("Seq Scan on runs", plan.Nodes);
            Assert.DoesNotContain("Sort", plan.Nodes.Select(n => n.Split(' ')[0]));
            Assert.True(plan.Pages < FewPages * (1 + (limit / 10)), $"{plan.Pages} pages for {limit} runs: {string.Join(", ", plan.Nodes)}");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_a_poll_and_a_limit_ask_beside_it_is_as_small(bool isCounted)
    {
        await Runs.SetCollectionAsync("col_1", concurrency: 5);
        if (isCounted)
            await Test.Database.ExecuteAsync($"analyze runs", Cancel);
        var runner = await Runs.RunnerAsync("rnr_1", "col_1");
        Assert.Equal(5, (await Runs.PollAsync(runner, 9, TimeSpan.Zero, Cancel)).Count);
        foreach (var (what, sql) in (IEnumerable<(string, Sql)>)[
            ("the limit's count", $"select count(*) from runs where collection = {"col_1"} and live"),
            ("the runner's count", $"select count(*) from runs where runner = {"rnr_1"} and live"),
            ("standing offers", $"select id from runs where runner = {"rnr_1"} and session = {"s"} and live and attempt_state = 'offered' and deadline > 1 order by id"),
            ("own times in queues", $"select id from runs where waiting and queue_until <> 0 and queue_until <= 5 limit 500"),
            ("whether more wait", $"select count(*) from (select 1 from runs where queue = {"col_1"} and waiting order by priority desc, id limit 1) as waitingRuns"),
            ("the fronts of two queues", ClaimStore.Fronts(["col_1", "col_1||gpu"], 50)),
            ("how many are before one", $"select count(*) from (select 1 from runs where queue = {"col_1"} and waiting and priority = 0 and id < {"run_00000000000000000000005000"} order by id limit 1000) as older")])
        {
            var plan = await ExplainAsync(sql);
            Assert.True(plan.Pages < FewPages && !plan.Nodes.Contains("Seq Scan on runs"), $"{what}: {plan.Pages} pages: {string.Join(", ", plan.Nodes)}");
        }

        // And they say the same as without a backlog.
        Assert.Equal(["col_1", "col_1||gpu", "col_2"], (await Runs.Claims.WaitingQueuesAsync(Cancel)).Order(StringComparer.Ordinal));
        Assert.Empty(await Runs.PollAsync(await Runs.RunnerAsync("rnr_2", "col_1"), 9, TimeSpan.Zero, Cancel));
    }
}
