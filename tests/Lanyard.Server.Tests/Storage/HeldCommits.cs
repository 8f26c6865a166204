using Lanyard.Server.Storage;
using Lanyard.Testing;

namespace Lanyard.Server.Tests.Storage;

/// <summary>Whoever inserts into a table of PostgreSQL has done so and can't commit, until it is let go: what is written then is seen by nobody.</summary>
internal sealed class HeldCommits
{
    private readonly TaskCompletionSource _mayGo = new();
    private readonly Database _database;
    private Task _holding = Task.CompletedTask;

    private HeldCommits(Database database) => _database = database;

    /// <param name="table">Of which inserts are held; once a database.</param>
    public static async Task<HeldCommits> OfAsync(Database database, string table)
    {
        await database.ExecuteAsync($"create function wait_for_test() returns trigger language plpgsql as 'begin perform pg_advisory_xact_lock(7); return null; end'");
        await database.ExecuteAsync(
            $"create constraint trigger wait_for_test after insert on {new SqlFragment(table)} deferrable initially deferred for each row execute function wait_for_test()");
        var held = new HeldCommits(database);
        var isHeld = new TaskCompletionSource();
        held._holding = Task.Run(() => database.TransactionAsync(async transaction =>
        {
            await transaction.QueryAsync($"select pg_advisory_xact_lock(7)", static _ => 0);
            isHeld.SetResult();
            await held._mayGo.Task;
        }));
        await isHeld.Task;
        return held;
    }

    /// <summary>Until so many wait, for a commit or for each other.</summary>
    public Task WaitersAsync(int count) => Eventually.HoldsAsync(
        async () => await _database.ScalarAsync($"select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()") == count, $"{count} wait");

    public async Task LetGoAsync()
    {
        _mayGo.SetResult();
        await _holding;
    }
}
