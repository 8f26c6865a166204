using Lanyard.Server.Runs;
using Lanyard.Server.Storage;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("2.9")]
public sealed class SqliteRunStoreTests() : RunStoreContract(DatabaseKind.Sqlite);

[Line("2.9")]
[Needs("postgres")]
public sealed class PostgresRunStoreTests() : RunStoreContract(DatabaseKind.Postgres);

/// <summary>What is written of a run must hold to on every database.</summary>
public abstract class RunStoreContract(DatabaseKind kind) : RunsFixture(kind)
{
    /// <summary>Who loses a race has changed nothing, and there is no reason to begin another chain.</summary>
    [Fact]
    public async Task Changes_that_come_too_late_leave_the_chain_of_events_whole()
    {
        var runs = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => Runs.CreateRunAsync()));
        var events = await CountAsync("audit_events");

        var saved = await Task.WhenAll(runs.SelectMany(run => Enumerable.Range(0, 3).Select(i =>
            Runs.Store.SaveAsync(run with { Reason = $"{i}", Version = run.Version + 1 }, RunsHarness.Created, static () => { }, Cancel))));

        Assert.Equal(10, saved.Count(static isSaved => isSaved));
        Assert.Equal(events + 10, await CountAsync("audit_events"));
        Assert.Equal(1, await CountAsync("audit_chains"));
    }

    [Fact]
    public async Task A_second_run_with_the_same_idempotency_text_is_not_made()
    {
        var run = Samples.Queued(Time, "run_a");
        Assert.True(await Runs.Store.InsertAsync(run, ("def_1", "build"), 0, "{}", "key", "hash", RunsHarness.Created, static () => { }, Cancel));
        Assert.False(await Runs.Store.InsertAsync(run with { Id = "run_b" }, ("def_1", "build"), 0, "{}", "key", "hash", RunsHarness.Created, static () => { }, Cancel));
        Assert.True(await Runs.Store.InsertAsync(run with { Id = "run_c", Collection = "col_2" }, ("def_1", "build"), 0, "{}", "key", "hash", RunsHarness.Created, static () => { }, Cancel));
        Assert.Equal("run_a", (await Runs.Queries.FindByIdempotencyAsync("col_1", "key", Cancel))!.Run);
        Assert.Null(await Runs.Store.FindAsync("run_b", Cancel));
    }

    [Fact]
    public async Task A_step_that_is_over_stays_over()
    {
        var run = await Runs.CreateRunAsync();
        await Runs.Store.PutStepAsync(run.Id, 1, 0, "running", null, null, 10, Cancel);
        await Runs.Store.PutStepAsync(run.Id, 1, 0, "failed", 3, null, 20, Cancel);
        await Runs.Store.PutStepAsync(run.Id, 1, 0, "succeeded", 0, null, 30, Cancel);
        Assert.Equal(new StepRecord(1, 0, "failed", 3, null, 10, 20), Assert.Single(await Runs.Queries.StepsAsync(run.Id, Cancel)));
    }

    [Fact]
    public async Task The_slow_poll_finds_every_queue_that_has_a_run()
    {
        foreach (var collection in (string[])["col_3", "col_1", "col_2", "col_1"])
            await Runs.CreateRunAsync(collection);
        await Runs.CreateRunAsync("col_1", labels: ["gpu"]);
        Assert.Equal(["col_1", "col_1||gpu", "col_2", "col_3"], (await Runs.Claims.WaitingQueuesAsync(Cancel)).Order(StringComparer.Ordinal));
    }

    private async Task<long> CountAsync(string table) =>
        (await Runs.Database.ScalarAsync(table == "audit_events" ? (Sql)$"select count(*) from audit_events" : $"select count(*) from audit_chains", Cancel))!.Value;
}
