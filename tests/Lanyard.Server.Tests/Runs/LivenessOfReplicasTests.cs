using Lanyard.Server.Runs;
using Lanyard.Server.Storage;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

/// <summary>
/// An attempt that ends on one replica is dead on the other: by the message that is sent, on a clock that stands still; and where that is lost, a second of the clock later.
/// </summary>
[Line("5.8")]
[Line("2.10")]
[Needs("postgres")]
public sealed class LivenessOfReplicasTests() : DispatchTestBase(DatabaseKind.Postgres)
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private Database _database = null!;
    private RunsHarness _other = null!;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        _database = await _test.OpenListeningAsync();
        _other = RunsHarness.On(_database, _time);
    }

    public override async ValueTask DisposeAsync()
    {
        if (_other is not null) await _other.DisposeAsync();
        if (_database is not null) await _database.DisposeAsync();
        await base.DisposeAsync();
    }

    [Fact]
    public async Task The_message_alone_makes_it_known_on_a_clock_that_stands_still()
    {
        var (runner, offer) = await AcceptedAsync("rnr_1");
        Assert.True(await IsAliveThereAsync(offer));

        await _runs.EndAsync(runner, offer);

        await Eventually.HoldsAsync(async () => !await IsAliveThereAsync(offer), "the other replica has heard of it");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Where_the_message_is_lost_the_other_replica_knows_of_an_end_or_a_cancel_a_second_later(bool isCanceled)
    {
        _test.Database.Notifications.Relay = null;
        var (runner, offer) = await AcceptedAsync("rnr_1");
        Assert.True(await IsAliveThereAsync(offer));
        _time.Advance(Second / 2);
        Assert.False((isCanceled ? await _runs.CancelAsync(offer.Run) : await _runs.EndAsync(runner, offer)).IsRefused);

        // It has not heard, or what follows would show nothing.
        Assert.True(await IsAliveThereAsync(offer));
        _time.Advance(Second / 2);

        Assert.False(await IsAliveThereAsync(offer));
    }

    [Fact]
    public async Task What_a_slow_database_says_is_believed_for_a_second_from_the_question_on_and_not_from_the_answer()
    {
        _test.Database.Notifications.Relay = null;
        var (runner, offer) = await AcceptedAsync("rnr_1");
        var asked = Task.FromResult(false);
        await _test.Database.TransactionAsync(
            async transaction =>
            {
                await transaction.ExecuteAsync($"lock table runs in access exclusive mode", Cancel);
                asked = IsAliveThereAsync(offer);
                await Eventually.HoldsAsync(async () => await _database.ScalarAsync($"select count(*) from pg_locks where relation = 'runs'::regclass and database = (select oid from pg_database where datname = current_database()) and not granted") > 0, "it asks");
                _time.Advance(Second);
                return 0;
            },
            Cancel);
        Assert.True(await asked.WaitAsync(Deadline, Cancel));
        Assert.False((await _runs.EndAsync(runner, offer)).IsRefused);

        Assert.False(await IsAliveThereAsync(offer));
    }

    private Task<bool> IsAliveThereAsync(OfferedRun offer) => _other.Liveness.IsAliveAsync(offer.Run, offer.Attempt, Cancel).AsTask();
}
