using Lanyard.Server.Runners;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("5.5")]
public sealed class SqliteSpentRunnersTests() : SpentRunnersContract(DatabaseKind.Sqlite);

[Line("5.5")]
[Needs("postgres")]
public sealed class PostgresSpentRunnersTests() : SpentRunnersContract(DatabaseKind.Postgres);

/// <summary>Ephemeral runners that are to go, among many that are not.</summary>
public abstract class SpentRunnersContract(DatabaseKind kind) : RunsFixture(kind)
{
    /// <summary>Hosts that died before they had accepted anything are there for ever; they must not take the place of those that are to go.</summary>
    [Fact]
    public async Task However_many_let_their_offer_lapse_the_one_that_had_its_run_is_found()
    {
        for (var i = 0; i < 4; i++)
            await LapseAsync($"rnr_a{i}");
        var spent = await EphemeralAsync("rnr_m");
        var offer = (await Runs.OfferAsync(spent))!;
        await Runs.AcceptAsync(spent, offer);
        await Runs.EndAsync(spent, offer);
        for (var i = 0; i < 4; i++)
            await LapseAsync($"rnr_z{i}");
        var ordinary = await Runs.RunnerAsync("rnr_o", "col_1");
        while (await Runs.OfferAsync(ordinary) is { } next)
        {
            await Runs.AcceptAsync(ordinary, next);
            await Runs.EndAsync(ordinary, next);
        }
        Time.Advance(EphemeralRunners.Linger);

        Assert.Equal("rnr_m", Assert.Single(await Runs.Claims.SpentAsync(Runs.Rules.Now, 1, Cancel)).Runner);
        Assert.Equal("rnr_m", Assert.Single(await Runs.Claims.SpentAsync(Runs.Rules.Now, 100, Cancel)).Runner);
    }

    private async Task<ActiveRunner> EphemeralAsync(string id) => await Runs.RunnerAsync(id, "col_1") with { IsEphemeral = true };

    private async Task LapseAsync(string runner)
    {
        await Runs.CreateRunAsync();
        Assert.NotNull(await Runs.OfferAsync(await EphemeralAsync(runner)));
        Time.Advance(TimeSpan.FromSeconds(20));
        await Runs.Sweeper.SweepAsync(Cancel);
    }
}
