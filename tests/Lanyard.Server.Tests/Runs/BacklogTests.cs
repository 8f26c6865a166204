using System.Text.Json;
using Lanyard.Server.Runs;
using Lanyard.Server.Storage;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

/// <summary>
/// 200,000 runs wait, in one collection mostly, before and after the database has counted them: what a claim, a poll and a limit read does not grow with them. Looked at by the plan and by the
/// pages that were touched, never by the clock.
/// </summary>
[Line("5.8")]
[Needs("postgres")]
public sealed class BacklogTests : IAsyncLifetime
{
    private const int Backlog = 200_000;

    /// <summary>Pages of 8 KiB; the whole table has some ten thousand.</summary>
    private const long FewPages = 1200;

    private readonly ManualTime _time = new();
    private TestDatabase _test = null!;
    private RunsHarness _runs = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _test = await TestDatabase.CreateAsync(DatabaseKind.Postgres);
        _runs = RunsHarness.On(_test.Database, _time);
        await _runs.CreateRunAsync();
        await _test.Database.ExecuteAsync(
            $"""
            insert into runs (id, workspace, collection, definition, queue, priority, phase, timeout_seconds, state, waiting, live, attempt, attempt_state, accepts, deadline, stop_by, offered_at,
                accepted_at, started_at, ended_at, log_bytes, log_complete, cancel_requested_at, created_at, finished_at, version, definition_slug, step_count)
            select 'run_' || lpad(n::text, 26, '0'), workspace, 'col_' || (n % 100 / 98 + 1), definition, 'col_' || (n % 100 / 98 + 1) || case when n % 10 = 0 then '||gpu' else '' end, n % 3, phase,
                timeout_seconds, state, true, false, 0, '', 0, 0, 0, 0, 0, 0, 0, 0, false, 0, created_at, 0, 1, definition_slug, step_count
            from runs, generate_series(1, {Backlog}) as n
            """,
            Cancel);
    }

    public async ValueTask DisposeAsync()
    {
        if (_test is not null)
        {
            await _runs.DisposeAsync();
            await _test.DisposeAsync();
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_claim_reads_the_front_of_its_queue_and_nothing_of_the_rest(bool isCounted)
    {
        if (isCounted)
            await _test.Database.ExecuteAsync($"analyze runs", Cancel);
        var runner = await _runs.RunnerAsync("rnr_1", "col_1");
        foreach (var limit in (int[])[1, 50])
        {
            var plan = await ExplainAsync(_runs.Claims.Claim("col_1", "rnr_1", runner.Session!.Session, limit, _runs.Rules.Now, _runs.Rules.OfferEnd));
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
        await _runs.SetCollectionAsync("col_1", concurrency: 5);
        if (isCounted)
            await _test.Database.ExecuteAsync($"analyze runs", Cancel);
        var runner = await _runs.RunnerAsync("rnr_1", "col_1");
        Assert.Equal(5, (await _runs.PollAsync(runner, 9, TimeSpan.Zero, Cancel)).Count);
        foreach (var (what, sql) in (IEnumerable<(string, Sql)>)[
            ("the limit's count", $"select count(*) from runs where collection = {"col_1"} and live"),
            ("the runner's count", $"select count(*) from runs where runner = {"rnr_1"} and live"),
            ("standing offers", $"select id from runs where runner = {"rnr_1"} and session = {"s"} and live and attempt_state = 'offered' and deadline > 1 order by id"),
            ("own times in queues", $"select id from runs where waiting and queue_until <> 0 and queue_until <= 5 limit 500"),
            ("whether more wait", $"select count(*) from (select 1 from runs where queue = {"col_1"} and waiting order by priority desc, id limit 1) as waiting_runs"),
            ("how many are before one", $"select count(*) from (select 1 from runs where queue = {"col_1"} and waiting and priority = 0 and id < {"run_00000000000000000000005000"} order by id limit 1000) as older")])
        {
            var plan = await ExplainAsync(sql);
            Assert.True(plan.Pages < FewPages && !plan.Nodes.Contains("Seq Scan on runs"), $"{what}: {plan.Pages} pages: {string.Join(", ", plan.Nodes)}");
        }

        // And they say the same as without a backlog.
        Assert.Equal(["col_1", "col_1||gpu", "col_2"], (await _runs.Claims.WaitingQueuesAsync(Cancel)).Order(StringComparer.Ordinal));
        Assert.Empty(await _runs.PollAsync(await _runs.RunnerAsync("rnr_2", "col_1"), 9, TimeSpan.Zero, Cancel));
    }

    /// <summary>Runs it, and takes back what it did.</summary>
    private async Task<Plan> ExplainAsync(Sql sql)
    {
        var json = "";
        await Assert.ThrowsAsync<UndoneException>(() => _test.Database.TransactionAsync(
            async transaction =>
            {
                json = (await transaction.QueryAsync($"explain (analyze, buffers, timing off, format json) {sql.Part}", static row => row.GetString(0)))[0];
                throw new UndoneException();
            },
            Cancel));
        var plan = new Plan();
        var root = JsonDocument.Parse(json).RootElement[0].GetProperty("Plan");
        plan.Pages = root.GetProperty("Shared Hit Blocks").GetInt64() + root.GetProperty("Shared Read Blocks").GetInt64();
        plan.Read(root);
        return plan;
    }

    private sealed class UndoneException : Exception;

    private sealed class Plan
    {
        public List<string> Nodes { get; } = [];

        public List<string> Indexes { get; } = [];

        public long Pages { get; set; }

        public void Read(JsonElement node)
        {
            Nodes.Add(node.GetProperty("Node Type").GetString()! + (node.TryGetProperty("Relation Name", out var relation) ? $" on {relation.GetString()}" : ""));
            if (node.TryGetProperty("Index Name", out var index))
                Indexes.Add(index.GetString()!);
            foreach (var child in node.TryGetProperty("Plans", out var plans) ? plans.EnumerateArray() : default)
                Read(child);
        }
    }
}
