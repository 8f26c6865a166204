using Lanyard.Identity;
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
public sealed class PostgresRunStoreTests() : RunStoreContract(DatabaseKind.Postgres)
{
    /// <summary>A claim within a collection's limit holds its row for as long as the claim takes, and all changes wait for a run that waits.</summary>
    [Fact]
    public async Task A_run_does_not_wait_for_a_claim_in_its_collection()
    {
        await Runs.SetCollectionAsync("col_1", concurrency: 5);
        var runner = await Runs.RunnerAsync("rnr_1", "col_1");
        await Runs.CreateRunAsync();
        var claim = Task.FromResult(new BoundedClaim([], false, false));
        await Test.Database.TransactionAsync(
            async transaction =>
            {
                await transaction.ExecuteAsync($"update runners set version = version where id = 'rnr_1'", Cancel);
                claim = Runs.Claims.ClaimWithinAsync(new ClaimBounds("col_1", null, IsEphemeral: true), "col_1", "rnr_1", runner.Session!.Session, 1, Runs.Rules.Now, Runs.Rules.OfferEnd, Cancel);
                while (!claim.IsCompleted && await Test.Database.ScalarAsync($"select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'", Cancel) == 0)
                    await Task.Yield();
                Assert.False(claim.IsCompleted);
                Assert.Null(await InsertAsync(Samples.Queued(Time, "run_b")).WaitAsync(TimeSpan.FromSeconds(60), Cancel));
            },
            Cancel);
        Assert.Single((await claim).Offers);
    }

    /// <summary>Another replica deletes the collection: it has looked for runs and found none, and is not done yet.</summary>
    [Fact]
    public async Task A_run_waits_for_a_deletion_of_its_collection_that_is_under_way()
    {
        await Runs.MakeCollectionAsync("col_1");
        var inserted = Task.FromResult<Refusal?>(null);
        await Test.Database.TransactionAsync(
            async transaction =>
            {
                await transaction.ExecuteAsync($"delete from collections where id = 'col_1'", Cancel);
                inserted = InsertAsync(Samples.Queued(Time));
                while (!inserted.IsCompleted && await Test.Database.ScalarAsync($"select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'", Cancel) == 0)
                    await Task.Yield();
                Assert.False(inserted.IsCompleted);
            },
            Cancel);
        Assert.Equal(RefusalReason.NotFound, (await inserted)?.Reason);
        Assert.Null(await Runs.Store.FindAsync("run_1", Cancel));
    }
}

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
        foreach (var collection in (string[])["col_1", "col_2"])
            await Runs.MakeCollectionAsync(collection);
        var run = Samples.Queued(Time, "run_a");
        Assert.Null(await InsertAsync(run));
        Assert.Equal(RefusalReason.Conflict, (await InsertAsync(run with { Id = "run_b" }))!.Reason);
        Assert.Null(await InsertAsync(run with { Id = "run_c", Collection = "col_2" }));
        Assert.Equal("run_a", (await Runs.Queries.FindByIdempotencyAsync("col_1", "key", Cancel))!.Run);
        Assert.Null(await Runs.Store.FindAsync("run_b", Cancel));
    }

    [Fact]
    public async Task A_run_whose_collection_is_gone_is_not_made_whoever_comes_with_it_is_and_no_event_tells_of_it()
    {
        var (ended, events, inserted) = (Samples.Queued(Time, "run_old"), 0L, 0);
        await Runs.MakeCollectionAsync("col_1");
        await Runs.MakeCollectionAsync("col_2");
        await InsertAsync(ended, key: null);
        await Runs.Database.ExecuteAsync($"update runs set state = 'canceled', waiting = false, finished_at = 1 where id = {ended.Id}", Cancel);
        await Runs.Database.ExecuteAsync($"delete from collections where id = 'col_1'", Cancel);
        events = await CountAsync("audit_events");

        var made = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => Runs.Store.InsertAsync(
            Samples.Queued(Time, $"run_{i}", i % 2 == 0 ? "col_1" : "col_2"), ("def_1", "build"), 0, "{}", null, null, RunsHarness.Created, () => Interlocked.Increment(ref inserted), Cancel)));

        Assert.Equal(Enumerable.Range(0, 10).Select(static i => i % 2 == 0 ? RefusalReason.NotFound : (RefusalReason?)null), made.Select(static refusal => refusal?.Reason));
        Assert.Equal((events + 5, 5), (await CountAsync("audit_events"), inserted));
        Assert.Null(await Runs.Store.FindAsync("run_0", Cancel));
        Assert.NotNull(await Runs.Store.FindAsync("run_1", Cancel));
        Assert.Equal(1, await CountAsync("audit_chains"));
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

    private protected Task<Refusal?> InsertAsync(RunRecord run, string? key = "key") =>
        Runs.Store.InsertAsync(run, ("def_1", "build"), 0, "{}", key, "hash", RunsHarness.Created, static () => { }, Cancel);

    private async Task<long> CountAsync(string table) =>
        (await Runs.Database.ScalarAsync(table == "audit_events" ? (Sql)$"select count(*) from audit_events" : $"select count(*) from audit_chains", Cancel))!.Value;
}
