using Npgsql;

namespace Lanyard.Server.Storage;

/// <summary>
/// Transactions that write much, each on a connection of its own until its end has a turn in the order of <see cref="PostgresWriter"/>. What others wait for is that end: a
/// statement or two and the commit, in one journey.
/// </summary>
internal sealed class PostgresLargeWrites : IDisposable
{
    /// <summary>Those that wait for their turn hold connections, of which the turns before theirs need one.</summary>
    private const int ConnectionsForEach = 8;
    private const int Most = 4;

    private readonly NpgsqlDataSource _source;
    private readonly PostgresWriter _turns;
    private readonly SemaphoreSlim _places;

    private PostgresLargeWrites(NpgsqlDataSource source, PostgresWriter turns, int places) =>
        (_source, _turns, _places) = (source, turns, new SemaphoreSlim(places, places));

    /// <returns>Null where there are too few connections.</returns>
    public static PostgresLargeWrites? On(NpgsqlDataSource source, PostgresWriter turns, int connections) =>
        connections < ConnectionsForEach ? null : new PostgresLargeWrites(source, turns, Math.Min(Most, connections / ConnectionsForEach));

    public async Task<T> RunAsync<T>(Func<Transaction, Task<T>> work, Func<Transaction, T, Task> last, CancellationToken cancellationToken)
    {
        await _places.WaitAsync(cancellationToken);
        try
        {
            await using var connection = await _source.OpenConnectionAsync(cancellationToken);
            await using var inner = await connection.BeginTransactionAsync(cancellationToken);
            var transaction = new PostgresTransaction(connection);
            try
            {
                var result = await work(transaction);
                transaction.End();
                await _turns.RunAsync(new PostgresTurnJob(connection, turn => last(turn, result), cancellationToken), cancellationToken);
                transaction.RunCommitted();
                return result;
            }
            catch (Exception)
            {
                transaction.End();
                transaction.RunUndone(isCertain: false);
                throw;
            }
        }
        finally
        {
            _places.Release();
        }
    }

    public void Dispose() => _places.Dispose();
}

/// <summary>The end of a transaction that is under way on a connection of its own. It shares its commit with nobody, because what is on disk of another's it must find there.</summary>
internal sealed class PostgresTurnJob(NpgsqlConnection connection, Func<Transaction, Task> last, CancellationToken cancellationToken) : PostgresJob<bool>([], null, cancellationToken)
{
    private PostgresTransaction? _transaction;

    public override bool IsAlone => true;

    public override async Task GoOnAsync(NpgsqlConnection? shared, IReadOnlyList<int> counts, List<Sql> later)
    {
        _transaction = new PostgresTransaction(connection, later);
        try
        {
            await last(_transaction);
        }
        finally
        {
            _transaction.End();
        }
    }

    public override async Task<PostgresFailure?> TryAloneAsync()
    {
        var isLast = false;
        try
        {
            var later = new List<Sql>();
            await GoOnAsync(null, [], later);
            isLast = true;
            await PostgresBatches.LastAsync(connection, later);
            return null;
        }
        catch (Exception exception)
        {
            var failure = new PostgresFailure(exception, isLast);
            Undone(isCertain: !isLast);
            return failure;
        }
    }

    public override void Undone(bool isCertain) => _transaction?.RunUndone(isCertain);

    protected override void HasCommitted() => _transaction?.RunCommitted();
}
