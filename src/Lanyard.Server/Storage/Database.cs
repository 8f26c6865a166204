using System.Data.Common;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Storage;

/// <summary>
/// The one door to the database. One SQL text for SQLite and PostgreSQL: ids, documents (JSON) and enums are <c>text</c>, times and
/// numbers <c>bigint</c> (Unix milliseconds), flags <c>boolean</c>, bytes <c>bytea</c>; time is a parameter; no <c>like</c>, no arrays,
/// no <c>now()</c>. What differs is a fragment here. It knows no feature.
/// </summary>
internal abstract class Database : SqlExecutor, IAsyncDisposable
{
    /// <summary>Behind a sub-select that picks rows to claim: rows that another claim holds are passed over.</summary>
    public abstract SqlFragment SkipLocked { get; }

    /// <summary>Behind a select in a transaction: the rows stay as read until its end.</summary>
    public abstract SqlFragment ForUpdate { get; }

    /// <summary>As <see cref="ForUpdate"/>, for who will not delete them: whoever writes something under the rows (<see cref="ForKeyShare"/>) does not wait.</summary>
    public abstract SqlFragment ForNoKeyUpdate { get; }

    /// <summary>Behind a select whose rows something is written under: until the end they are not deleted. Those who do the same do not wait for each other.</summary>
    public abstract SqlFragment ForKeyShare { get; }

    /// <summary>
    /// Knows <c>lateral</c>: many questions are then one for its planner, which looks at each branch of a union anew. SQLite does not know it, and is asked one question after the other.
    /// </summary>
    public abstract bool HasLateral { get; }

    /// <summary>No other server works with it while this one does.</summary>
    public abstract bool IsOneServers { get; }

    /// <summary><c>sqlite</c> or <c>postgres</c>: the infix of migrations for one dialect only.</summary>
    public abstract string Dialect { get; }

    /// <summary>Messages to everybody who works with this database, on any replica.</summary>
    public abstract Notifications Notifications { get; }

    /// <summary>Runs statements together; an exception undoes them. See <see cref="Transaction"/> for what the function may do.</summary>
    public abstract Task<T> TransactionAsync<T>(Func<Transaction, Task<T>> work, CancellationToken cancellationToken = default);

    /// <summary>
    /// As <see cref="SqlExecutor.ExecuteAsync"/>, for a statement that never waits for a lock for long: where many come at once they go together, with one commit for all.
    /// </summary>
    /// <param name="row">
    /// The row that it locks, by a name that all use who lock it: what goes together locks rows in the order of their names, so that no two batches wait for each other.
    /// </param>
    public virtual Task<int> ExecuteTogetherAsync(Sql sql, string row, CancellationToken cancellationToken = default) => ExecuteAsync(sql, cancellationToken);

    /// <summary>
    /// As <see cref="ExecuteTogetherAsync"/>, for a statement that decides by a count of what others of its kind have written: one of another process that is on its way to disk would not be in
    /// the count, so it is waited for.
    /// </summary>
    /// <param name="kind">Statements of the same are counted together.</param>
    public virtual Task<int> ExecuteCountingAsync(Sql sql, string row, string kind, CancellationToken cancellationToken = default) => ExecuteAsync(sql, cancellationToken);

    /// <summary>As <see cref="ExecuteTogetherAsync"/>, for an <c>update … returning</c> that waits for no row (<see cref="SkipLocked"/>).</summary>
    public virtual Task<List<T>> QueryTogetherAsync<T>(Sql sql, Func<DbDataReader, T> read, CancellationToken cancellationToken = default) =>
        QueryAsync(sql, read, cancellationToken);

    /// <summary>
    /// As <see cref="QueryTogetherAsync"/>, for what acknowledges nothing: others see it at once, but its answer does not wait for the disk where that can be had. It is forgotten
    /// if the database's machine loses its power in that moment, never without what was written after it.
    /// </summary>
    public virtual Task<List<T>> QueryUnsyncedAsync<T>(Sql sql, Func<DbDataReader, T> read, CancellationToken cancellationToken = default) =>
        QueryTogetherAsync(sql, read, cancellationToken);

    /// <summary>
    /// Transactions of this process one after another, in the order of their commits: what one leaves in memory, the next one finds. Many share a commit, so none may
    /// wait for a lock for long.
    /// </summary>
    /// <param name="first">Statements that go out before <paramref name="then"/>, together with those of others.</param>
    /// <param name="row">What they lock, as in <see cref="ExecuteTogetherAsync"/>; null: nothing that others lock.</param>
    /// <param name="then">Is given the count of rows that each of <paramref name="first"/> has changed; the same rules hold as for <see cref="TransactionAsync{T}"/>.</param>
    public virtual Task<T> SerialAsync<T>(
        IReadOnlyList<Sql> first, string? row, Func<Transaction, IReadOnlyList<int>, Task<T>> then, CancellationToken cancellationToken = default) =>
        TransactionAsync(
            async transaction =>
            {
                var counts = new int[first.Count];
                for (var i = 0; i < counts.Length; i++)
                {
                    counts[i] = await transaction.ExecuteAsync(first[i]);
                }

                return await then(transaction, counts);
            },
            cancellationToken);

    /// <summary>The same, where what follows needs the rows of one <c>insert | update | delete … returning</c>.</summary>
    public virtual Task<T> SerialAsync<TRow, T>(
        Sql first, string row, Func<DbDataReader, TRow> read, Func<Transaction, List<TRow>, Task<T>> then, CancellationToken cancellationToken = default) =>
        TransactionAsync(async transaction => await then(transaction, await transaction.QueryAsync(first, read)), cancellationToken);

    /// <summary>
    /// As <see cref="SerialAsync{T}"/>, for a transaction that writes much: nobody waits for <paramref name="work"/> where that can be had, and only <paramref name="last"/> and the
    /// commit have a turn among the others.
    /// </summary>
    /// <param name="work">Locks nothing that a transaction of <see cref="SerialAsync{T}"/> waits for: each would wait for the other.</param>
    public virtual Task<T> SerialLastAsync<T>(Func<Transaction, Task<T>> work, Func<Transaction, T, Task> last, CancellationToken cancellationToken = default) =>
        TransactionAsync(
            async transaction =>
            {
                var result = await work(transaction);
                await last(transaction, result);
                return result;
            },
            cancellationToken);

    /// <summary>Takes a name that no other process has: for work of minutes that several would do twice. See <see cref="DatabaseHold"/>.</summary>
    /// <param name="isWaiting">Until it is free.</param>
    /// <returns>Null where another has it and nobody waits.</returns>
    public virtual Task<DatabaseHold?> HoldAsync(string name, bool isWaiting, CancellationToken cancellationToken) => Task.FromResult<DatabaseHold?>(new DatabaseHold(null));

    public Task TransactionAsync(Func<Transaction, Task> work, CancellationToken cancellationToken = default) =>
        TransactionAsync(
            async transaction =>
            {
                await work(transaction);
                return true;
            },
            cancellationToken);

    /// <summary>Brings the schema up to this program's. Safe to call from several replicas at once.</summary>
    /// <exception cref="StorageException">An applied migration was changed, or the database is newer than the program.</exception>
    public abstract Task MigrateAsync(TimeProvider time, CancellationToken cancellationToken = default);

    public abstract ValueTask DisposeAsync();

    /// <summary>Opens what <paramref name="location"/> names: a file path for SQLite, or <c>postgres://user@host:port/name?…</c>.</summary>
    /// <exception cref="StorageException">It can't be read or opened; the message says why and is fit for the operator.</exception>
    public static Database Open(string location, TimeProvider time, ILoggerFactory loggers) =>
        PostgresLocation.IsPostgres(location)
            ? new PostgresDatabase(PostgresLocation.Parse(location), time, loggers)
            : new SqliteDatabase(location);
}

/// <summary>The database can't be used as it is: wrong location, changed migration, newer schema, held by another server.</summary>
internal sealed class StorageException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>An outage of the database in one line.</summary>
internal static class DatabaseFault
{
    /// <summary>Such as <c>Failed to connect to 127.0.0.1:5432: Connection refused</c>.</summary>
    public static string Words(Exception exception) => exception.InnerException is { } cause ? $"{exception.Message}: {cause.Message}" : exception.Message;
}
