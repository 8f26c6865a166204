using Lanyard.Server.Runners;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

/// <summary>The rooms Runners and Runs on a database of each test's own, whose time the test turns.</summary>
public abstract class RunsFixture(DatabaseKind kind) : IAsyncLifetime
{
    private protected ManualTime Time { get; } = new();

    private protected TestDatabase Test { get; private set; } = null!;

    private protected RunsHarness Runs { get; private set; } = null!;

    private protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public virtual async ValueTask InitializeAsync()
    {
        Test = await TestDatabase.CreateAsync(kind);
        Renew();
    }

    public async ValueTask DisposeAsync()
    {
        if (Test is not null)
        {
            await Runs.DisposeAsync();
            await Test.DisposeAsync();
        }
        GC.SuppressFinalize(this);
    }

    /// <summary>Everything anew, as when the server starts.</summary>
    private protected void Renew() => Runs = RunsHarness.On(Test.Database, Time);

    private protected async Task<(ActiveRunner Runner, OfferedRun Offer)> AcceptedAsync()
    {
        var runner = await Runs.RunnerAsync("rnr_1", "col_1");
        await Runs.CreateRunAsync();
        var offer = (await Runs.OfferAsync(runner))!;
        await Runs.AcceptAsync(runner, offer);
        return (runner, offer);
    }
}
