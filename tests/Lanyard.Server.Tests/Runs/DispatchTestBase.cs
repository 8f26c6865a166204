using Lanyard.Server.Runners;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

/// <summary>Runs and runners on a database of a kind, and a clock that stands still.</summary>
public abstract class DispatchTestBase(DatabaseKind kind) : IAsyncLifetime
{
    private protected DatabaseKind Kind => kind;

    private protected static readonly TimeSpan Long = TimeSpan.FromSeconds(50);
    private protected static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);
    private protected readonly ManualTime _time = new();
    private protected TestDatabase _test = null!;
    private protected RunsHarness _runs = null!;

    private protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public virtual async ValueTask InitializeAsync()
    {
        _test = await TestDatabase.CreateAsync(kind);
        _runs = RunsHarness.On(_test.Database, _time);
    }

    public virtual async ValueTask DisposeAsync()
    {
        if (_test is not null)
        {
            await _runs.DisposeAsync();
            await _test.DisposeAsync();
        }
        GC.SuppressFinalize(this);
    }

    private protected async Task<long?> LiveAsync(string collection) =>
        await _test.Database.ScalarAsync($"select count(*) from runs where collection = {collection} and live", Cancel);

    private protected async Task<(string State, string? Reason)> EndOfAsync(string run) => await _runs.GetAsync(run) is var row ? (row.State, row.Reason) : default;

    private protected async Task<(ActiveRunner Runner, OfferedRun Offer)> AcceptedAsync(string id)
    {
        var runner = await _runs.RunnerAsync(id, "col_1");
        if (await _runs.OfferAsync(runner) is not { } offer)
        {
            await _runs.CreateRunAsync();
            offer = (await _runs.OfferAsync(runner))!;
        }
        await _runs.AcceptAsync(runner, offer);
        return (runner, offer);
    }
}
