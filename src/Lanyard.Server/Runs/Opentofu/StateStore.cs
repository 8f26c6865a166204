using System.Globalization;
using Lanyard.Identity;
using Lanyard.Server.Audit;
using Lanyard.Server.Issuers;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Runs.Opentofu;

/// <summary>Who works on a state.</summary>
/// <param name="Info">The lock as the tool described it (JSON): it shows it to whoever has to wait.</param>
internal sealed record StateLock(string Id, string Info, string Run, int Attempt, string Phase, long At)
{
    /// <summary>The same lock of the same attempt: its call was repeated.</summary>
    public bool IsOf(StateLock other) => Id == other.Id && Run == other.Run && Attempt == other.Attempt;
}

/// <summary>A state and who has it locked.</summary>
internal sealed record StateRow(string Name, long Version, long Bytes, string Run, long At, StateLock? Lock);

/// <summary>
/// States of infrastructure: versions, encrypted with the key outside the database and bound to their place, and locks. Whoever writes must have the lock; a lock that an attempt
/// which only planned has left behind is given to the next, one that an apply has left is a human's to take away, because nobody knows how far it came. A state may be 32 MiB: whatever
/// changes one, or its lock, does so by <see cref="AuditLog.ChangeMuchAsync"/>.
/// </summary>
internal sealed class StateStore(Database database, AuditLog audit, KeyEncryption encryption)
{
    private const int KeptVersions = 20;

    public async Task<byte[]?> FindAsync(string collection, string name, CancellationToken cancellationToken) =>
        await database.QuerySingleOrNullAsync(
            $"select version, box from states where collection = {collection} and name = {name} order by version desc limit 1",
            static row => new Box(row.GetInt64(0), row.GetBytes(1)),
            cancellationToken) is { } found
            ? encryption.Decrypt(found.Bytes, collection, Kid(name, found.Version))
            : null;

    /// <summary>One of the versions that are kept.</summary>
    public async Task<byte[]?> FindAsync(string collection, string name, long version, CancellationToken cancellationToken) =>
        await database.QuerySingleOrNullAsync(
            $"select version, box from states where collection = {collection} and name = {name} and version = {version}",
            static row => new Box(row.GetInt64(0), row.GetBytes(1)),
            cancellationToken) is { } found
            ? encryption.Decrypt(found.Bytes, collection, Kid(name, found.Version))
            : null;

    /// <summary>The versions of a state that are kept, the newest first.</summary>
    public Task<List<StateRow>> VersionsAsync(string collection, string name, CancellationToken cancellationToken) => database.QueryAsync(
        $"select name, version, bytes, run, created_at from states where collection = {collection} and name = {name} order by version desc",
        static row => new StateRow(row.GetString(0), row.GetInt64(1), row.GetInt64(2), row.GetString(3), row.GetInt64(4), null),
        cancellationToken);

    /// <summary>A human writes the next version, where nobody works on the state.</summary>
    /// <param name="check">Given the newest version, or null: why it may not be replaced.</param>
    public Task<Outcome<StateRow>> PushAsync(
        string collection, string name, Func<long?, Refusal?> check, ReadOnlyMemory<byte> state, long now, Func<StateRow, AuditEvent> told, CancellationToken cancellationToken) =>
        WhereNobodyWorksAsync(
            collection, name, now,
            async Task<Outcome<StateRow>> (transaction, newest) =>
            {
                if (check(newest) is { } refusal)
                    return refusal;
                await WriteAsync(transaction, collection, name, ("", 0), state, now);
                return new StateRow(name, (newest ?? 0) + 1, state.Length, "", now, null);
            },
            told, cancellationToken);

    /// <summary>A human forgets a state with all its versions, where nobody works on it: its infrastructure is no more, or somebody else's.</summary>
    /// <param name="check">Given the newest version: why it may not be forgotten.</param>
    /// <returns>Its name; or NotFound, Conflict, or what the check says.</returns>
    public Task<Outcome<string>> DeleteAsync(string collection, string name, Func<long, Refusal?> check, long now, AuditEvent about, CancellationToken cancellationToken) =>
        WhereNobodyWorksAsync(
            collection, name, now,
            async Task<Outcome<string>> (transaction, newest) =>
            {
                if (newest is not { } present)
                    return Http.Access.Missing($"no state {name} in {collection}");
                if (check(present) is { } refusal)
                    return refusal;
                await transaction.ExecuteAsync($"delete from states where collection = {collection} and name = {name}");
                return name;
            },
            _ => about, cancellationToken);

    /// <summary>The lock is taken for as long as the work lasts, so that no run that begins meanwhile works on what is about to be replaced.</summary>
    /// <param name="work">Is given the newest version, or null.</param>
    private async Task<Outcome<T>> WhereNobodyWorksAsync<T>(
        string collection, string name, long now, Func<Transaction, long?, Task<Outcome<T>>> work, Func<T, AuditEvent> told, CancellationToken cancellationToken)
        where T : notnull
    {
        var held = new StateLock(Guid.NewGuid().ToString(), "{}", "", 0, RunRules.PlanPhase, now);
        try
        {
            return await audit.ChangeMuchAsync(
                async transaction =>
                {
                    if (await TakeAsync(transaction, collection, name, held) is { } other)
                        return IsHeld(name, other);
                    var outcome = await work(transaction, await NewestAsync(transaction, collection, name));
                    await transaction.ExecuteAsync($"delete from state_locks where collection = {collection} and name = {name} and lock_id = {held.Id}");
                    return outcome;
                },
                told,
                cancellationToken);
        }
        catch (ConstraintViolationException)
        {
            return IsHeld(name, await FindLockAsync(database, collection, name));
        }
    }

    /// <param name="about">What the audit says of it, where the lock changes hands.</param>
    /// <returns>Null when it is the caller's now; else whose it is.</returns>
    public async Task<StateLock?> LockAsync(string collection, string name, StateLock wanted, AuditEvent about, CancellationToken cancellationToken)
    {
        try
        {
            var taken = await audit.ChangeMuchAsync<Taken>(
                async transaction =>
                {
                    var before = await FindLockAsync(transaction, collection, name);
                    return new Taken(await TakeAsync(transaction, collection, name, wanted), IsRepeated: before is not null && before.IsOf(wanted));
                },
                taken => taken is { Other: null, IsRepeated: false } ? about : null,
                cancellationToken);
            return taken.Value.Other;
        }
        catch (ConstraintViolationException)
        {
            return await FindLockAsync(database, collection, name);
        }
    }

    /// <summary>For a human who may: whoever has it.</summary>
    /// <returns>Whether there was such a lock.</returns>
    public Task<bool> UnlockAsync(string collection, string name, string id, AuditEvent about, CancellationToken cancellationToken) =>
        UnlockAsync($"delete from state_locks where collection = {collection} and name = {name} and lock_id = {id}", about, cancellationToken);

    /// <summary>For an attempt: its own lock and no other's, whatever id it has heard of.</summary>
    /// <returns>Whether it had such a lock.</returns>
    public Task<bool> GiveBackAsync(string collection, string name, string id, (string Run, int Attempt) holder, AuditEvent about, CancellationToken cancellationToken) => UnlockAsync(
        $"delete from state_locks where collection = {collection} and name = {name} and lock_id = {id} and run = {holder.Run} and attempt = {holder.Attempt}", about, cancellationToken);

    /// <summary>Writes the next version.</summary>
    /// <returns>Its name; or Conflict when the caller does not have the lock.</returns>
    public Task<Outcome<string>> PutAsync(
        string collection, string name, (string Run, int Attempt) writer, string? lockId, ReadOnlyMemory<byte> state, long now, AuditEvent about,
        CancellationToken cancellationToken) =>
        audit.ChangeMuchAsync<string>(
            async transaction =>
            {
                var present = await FindLockAsync(transaction, collection, name, database.ForUpdate);
                if (present is null || present.Id != lockId || present.Run != writer.Run || present.Attempt != writer.Attempt)
                    return new Refusal(RefusalReason.Conflict, $"attempt {writer.Attempt} of {writer.Run} does not have the lock of {name}");
                await WriteAsync(transaction, collection, name, writer, state, now);
                return name;
            },
            _ => about,
            cancellationToken);

    /// <summary>The newest version of each state of a collection, and states that are only locked so far.</summary>
    public async Task<List<StateRow>> ListAsync(string collection, CancellationToken cancellationToken)
    {
        var locks = await database.QueryAsync(
            $"select name, lock_id, info, run, attempt, phase, locked_at from state_locks where collection = {collection}",
            static row => (Name: row.GetString(0), Lock: ReadLock(row, 1)),
            cancellationToken);
        var rows = await database.QueryAsync(
            $"""
            select name, version, bytes, run, created_at from states where collection = {collection}
                and version = (select max(newest.version) from states newest where newest.collection = states.collection and newest.name = states.name) order by name limit 1000
            """,
            static row => new StateRow(row.GetString(0), row.GetInt64(1), row.GetInt64(2), row.GetString(3), row.GetInt64(4), null),
            cancellationToken);
        var known = rows.ConvertAll(row => row with { Lock = locks.Find(l => l.Name == row.Name).Lock });
        known.AddRange(locks.Where(l => !rows.Exists(row => row.Name == l.Name)).Select(static l => new StateRow(l.Name, 0, 0, l.Lock.Run, l.Lock.At, l.Lock)));
        return known;
    }

    private static async Task<StateLock?> TakeAsync(SqlExecutor transaction, string collection, string name, StateLock wanted)
    {
        var present = await FindLockAsync(transaction, collection, name);
        if (present is { } other && !other.IsOf(wanted) && !await IsLeftByAPlanAsync(transaction, other))
            return present;
        await transaction.ExecuteAsync(
            $"""
            insert into state_locks (collection, name, lock_id, info, run, attempt, phase, locked_at)
            values ({collection}, {name}, {wanted.Id}, {wanted.Info}, {wanted.Run}, {wanted.Attempt}, {wanted.Phase}, {wanted.At})
            on conflict (collection, name) do update set lock_id = excluded.lock_id, info = excluded.info, run = excluded.run, attempt = excluded.attempt,
                phase = excluded.phase, locked_at = excluded.locked_at where state_locks.lock_id = {present?.Id ?? wanted.Id}
            """);
        return await FindLockAsync(transaction, collection, name) is { } now && now.Id != wanted.Id ? now : null;
    }

    private async Task WriteAsync(SqlExecutor transaction, string collection, string name, (string Run, int Attempt) writer, ReadOnlyMemory<byte> state, long now)
    {
        var version = 1 + (await NewestAsync(transaction, collection, name) ?? 0);
        var box = encryption.Encrypt(state.Span, collection, Kid(name, version));
        await transaction.ExecuteAsync(
            $"""
            insert into states (collection, name, version, box, bytes, run, attempt, created_at)
            values ({collection}, {name}, {version}, {box}, {state.Length}, {writer.Run}, {writer.Attempt}, {now})
            """);
        await transaction.ExecuteAsync($"delete from states where collection = {collection} and name = {name} and version <= {version - KeptVersions}");
    }

    private static Task<long?> NewestAsync(SqlExecutor executor, string collection, string name) =>
        executor.ScalarAsync($"select max(version) from states where collection = {collection} and name = {name}");

    private static Refusal IsHeld(string name, StateLock? holder) => new(
        RefusalReason.Conflict,
        holder is { Run.Length: > 0 } ? $"{name} is locked by attempt {holder.Attempt} of {holder.Run} (lock {holder.Id})" : $"somebody else changes {name} at this moment");

    /// <summary>Like all that is done to locks and states it waits for a state that is being written, and nobody else must.</summary>
    private async Task<bool> UnlockAsync(Sql delete, AuditEvent about, CancellationToken cancellationToken) => !(await audit.ChangeMuchAsync<string>(
        async transaction => await transaction.ExecuteAsync(delete, cancellationToken) == 1 ? "gone" : new Refusal(RefusalReason.NotFound, "there is no such lock"),
        _ => about,
        cancellationToken)).IsRefused;

    private static async Task<StateLock?> FindLockAsync(SqlExecutor executor, string collection, string name, SqlFragment locking = default) => await executor.QuerySingleOrNullAsync(
        $"select lock_id, info, run, attempt, phase, locked_at from state_locks where collection = {collection} and name = {name} {locking}", static row => ReadLock(row, 0));

    private static async Task<bool> IsLeftByAPlanAsync(SqlExecutor executor, StateLock present) =>
        present.Phase == RunRules.PlanPhase
        && await executor.ScalarAsync($"select count(*) from runs where id = {present.Run} and attempt = {present.Attempt} and live") == 0;

    private static StateLock ReadLock(System.Data.Common.DbDataReader row, int first) => new(
        row.GetString(first), row.GetString(first + 1), row.GetString(first + 2), row.GetInt(first + 3), row.GetString(first + 4), row.GetInt64(first + 5));

    private static string Kid(string name, long version) => string.Create(CultureInfo.InvariantCulture, $"state/{name}/{version}");

    /// <param name="Other">Whose it is, if it is not the caller's.</param>
    private sealed record Taken(StateLock? Other, bool IsRepeated);

    private sealed record Box(long Version, byte[] Bytes);
}
