using Lanyard.Server.Runners;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

/// <summary>Leases of many attempts are renewed while some of them are being changed: neither waits for the other, because the two may lock in different orders.</summary>
[Line("5.8")]
[Needs("postgres")]
public sealed class RenewalTests
{
    [Fact]
    public async Task A_renewal_does_not_wait_for_what_is_being_changed_and_does_not_take_it_for_gone()
    {
        var time = new ManualTime();
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.Postgres);
        await using var runs = RunsHarness.On(test.Database, time);
        var runner = await runs.RunnerAsync("rnr_1", "col_1");
        var (changing, quiet, offered) = (await AcceptAsync(runs, runner), await AcceptAsync(runs, runner), await OfferAsync(runs, runner));
        var first = (await runs.GetAsync(changing.Run)).Deadline;
        time.Advance(TimeSpan.FromSeconds(10));

        Task<List<HeldAttempt>> RenewAsync() => runs.Store.RenewAsync(
            "rnr_1", runner.Session!.Session, [.. new[] { changing, quiet, offered }.Select(one => (one.Run, one.Attempt)), ("run_gone", 1)], runs.Rules.Now, runs.Rules.LeaseEnd, TestContext.Current.CancellationToken);
        var during = await test.Database.TransactionAsync(async transaction =>
        {
            await transaction.ExecuteAsync($"update runs set version = version + 1 where id = {changing.Run}");
            return await RenewAsync().WaitAsync(TimeSpan.FromSeconds(120));
        });
        var after = await RenewAsync();

        var lease = runs.Rules.LeaseEnd;
        Assert.Equal(
            new Dictionary<string, long> { [changing.Run] = first, [quiet.Run] = lease, [offered.Run] = offered.Deadline }, during.ToDictionary(held => held.Run, held => held.Deadline));
        Assert.Equal(
            new Dictionary<string, long> { [changing.Run] = lease, [quiet.Run] = lease, [offered.Run] = offered.Deadline }, after.ToDictionary(held => held.Run, held => held.Deadline));
    }

    private static async Task<OfferedRun> OfferAsync(RunsHarness runs, ActiveRunner runner)
    {
        await runs.CreateRunAsync();
        return (await runs.OfferAsync(runner))!;
    }

    private static async Task<OfferedRun> AcceptAsync(RunsHarness runs, ActiveRunner runner)
    {
        var offer = await OfferAsync(runs, runner);
        Assert.False((await runs.AcceptAsync(runner, offer)).IsRefused);
        return offer;
    }
}
