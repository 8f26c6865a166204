using System.Data.Common;
using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Protocol.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Audit;

/// <summary>
/// Appends events to this process's hash chain; a caller goes on when its event is on disk. An event is part of the transaction that it tells of, or is one of its own; those
/// of a chain run one after another and share their commits. After a failed append it is not known what reached the disk, so a new chain begins.
/// </summary>
internal sealed class AuditLog
{
    private readonly Database _database;
    private readonly AuditOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<AuditLog> _logger;
    private readonly EventIds _ids;

    /// <summary>On disk.</summary>
    private ChainHead? _head;

    /// <summary>In the transaction that runs now; touched by nobody else.</summary>
    private ChainHead? _next;

    private TaskCompletionSource _appended = NewSignal();

    public AuditLog(Database database, AuditOptions options, TimeProvider time, ILogger<AuditLog> logger)
    {
        (_database, _options, _time, _logger) = (database, options, time, logger);
        _ids = new EventIds(time);
    }

    /// <summary>The end of this process's chain as it knows it, or null before the first event.</summary>
    public ChainHead? Head => Volatile.Read(ref _head);

    /// <summary>Whether events of decisions about tokens are to hold the verified claims.</summary>
    public bool KeepsClaims => _options.KeepClaims;

    /// <summary>Completes when an event was appended after this was read.</summary>
    public Task NextAppended => Volatile.Read(ref _appended).Task;

    /// <summary>Returns when the event is on disk. It throws when it can't be stored: then the decision must not take effect.</summary>
    /// <returns>The event's id.</returns>
    public async Task<string> RecordAsync(AuditEvent auditEvent)
    {
        try
        {
            return await _database.SerialAsync([], null, (transaction, _) => AppendAsync(transaction, auditEvent));
        }
        catch (Exception exception)
        {
            _logger.AppendFailed(exception);
            throw;
        }
    }

    /// <summary>Makes a change and records it: together or not at all.</summary>
    /// <param name="first">Statements that need nothing from each other.</param>
    /// <param name="row">What they lock, as <see cref="Database.ExecuteTogetherAsync"/> has it.</param>
    /// <param name="then">
    /// Is given the count of rows that each of them has changed, and does what else is to be done. Answers whether anything was changed: only then there is something to record.
    /// </param>
    /// <param name="happened">Called right after the commit of the change.</param>
    public async Task<bool> RecordWithAsync(
        IReadOnlyList<Sql> first, string row, Func<Transaction, IReadOnlyList<int>, Task<bool>> then, AuditEvent auditEvent, Action happened, CancellationToken cancellationToken)
    {
        var isChanged = await _database.SerialAsync(
            first,
            row,
            async (transaction, counts) => await then(transaction, counts) && await AppendAsync(transaction, auditEvent) is not null,
            cancellationToken);
        if (isChanged)
        {
            happened();
        }

        return isChanged;
    }

    /// <summary>The same for a change of one row, of which only the row that it returns tells what there is to record.</summary>
    /// <param name="then">Does what else is to be done, and answers what happened.</param>
    /// <returns>The row; null when there was none to change.</returns>
    public async Task<T?> RecordWithAsync<T>(
        Sql change, string row, Func<DbDataReader, T> read, Func<Transaction, T, Task<AuditEvent>> then, Action happened, CancellationToken cancellationToken)
        where T : class
    {
        var changed = await _database.SerialAsync(
            change,
            row,
            read,
            async (transaction, rows) =>
            {
                if (rows is not [var one]) return null;
                await AppendAsync(transaction, await then(transaction, one));
                return one;
            },
            cancellationToken);
        if (changed is not null)
        {
            happened();
        }

        return changed;
    }

    /// <summary>The same for a lone statement: something has happened where it changes one row.</summary>
    public Task<bool> RecordWithAsync(Sql change, string row, AuditEvent auditEvent, Action happened, CancellationToken cancellationToken) =>
        RecordWithAsync([change], row, static (_, counts) => Task.FromResult(counts[0] == 1), auditEvent, happened, cancellationToken);

    /// <summary>
    /// Makes a change that is decided in its transaction, and records it: together or not at all. What is refused there has changed nothing, and is its caller's to record.
    /// </summary>
    /// <param name="change">Shares its commit with others, and waits for no lock for long. What must follow the commit is left to <see cref="Transaction.OnCommitted"/>.</param>
    /// <param name="told">What there is to record of what was done; null: nothing.</param>
    public Task<Outcome<T>> ChangeAsync<T>(Func<Transaction, Task<Outcome<T>>> change, Func<T, AuditEvent?> told, CancellationToken cancellationToken = default)
        where T : notnull => _database.SerialAsync(
            [],
            null,
            async (transaction, _) =>
            {
                var outcome = await change(transaction);
                if (outcome.TryGet(out var done, out var _) && told(done) is { } auditEvent) await AppendAsync(transaction, auditEvent);
                return outcome;
            },
            cancellationToken);

    /// <summary>As <see cref="ChangeAsync"/>, for a change that writes much (megabytes): others do not wait for it.</summary>
    /// <param name="change">Locks no row that other changes lock, but for those that are made by this too; what locks those is made by this.</param>
    public Task<Outcome<T>> ChangeMuchAsync<T>(Func<Transaction, Task<Outcome<T>>> change, Func<T, AuditEvent?> told, CancellationToken cancellationToken = default)
        where T : notnull => _database.SerialLastAsync(
            change,
            async (transaction, outcome) =>
            {
                if (outcome.TryGet(out var done, out var _) && told(done) is { } auditEvent) await AppendAsync(transaction, auditEvent);
            },
            cancellationToken);

    private async Task<string> AppendAsync(Transaction transaction, AuditEvent auditEvent)
    {
        var before = _next;
        var isStored = false;
        transaction.OnUndone(isCertain => _next = isCertain && isStored ? before : null);
        var head = before ?? await BeginChainAsync(transaction);
        var row = NextRow(head, auditEvent);
        await transaction.ExecuteLaterAsync(AuditStore.InsertOf(row).OneOfMany());
        var after = new ChainHead(head.Chain, row.Sequence, row.Hash);
        if (CheckpointFor(before?.Sequence ?? 0, after) is { } reached)
        {
            await transaction.ExecuteLaterAsync(
                $"insert into audit_checkpoints (chain, seq, at, hash) values ({reached.Chain}, {reached.Sequence}, {_time.GetUtcNow()}, {reached.Hash})");
            transaction.OnCommitted(() => _logger.Checkpoint(reached.Chain, reached.Sequence, reached.Hash));
        }

        (_next, isStored) = (after, true);
        transaction.OnCommitted(() => Appended(after));
        return row.Id;
    }

    private void Appended(ChainHead head)
    {
        Volatile.Write(ref _head, head);
        Interlocked.Exchange(ref _appended, NewSignal()).TrySetResult();
    }

    private AuditRow NextRow(ChainHead head, AuditEvent auditEvent)
    {
        var (id, at) = _ids.Next();
        var body = AuditBody.Of(auditEvent, id, at, _options);
        var json = JsonSerializer.Serialize(body, AuditJson.Default.AuditEventBody);
        var sequence = head.Sequence + 1;
        return new AuditRow(
            head.Chain, sequence, id, body.Action, body.Decision, body.Workspace, body.Collection, body.Principal, head.Hash,
            AuditChain.Hash(head.Hash, head.Chain, sequence, json), json);
    }

    /// <summary>A new chain's first event names the ends of the ones before it: a chain that is cut or taken away later shows.</summary>
    private async Task<ChainHead> BeginChainAsync(Transaction transaction)
    {
        var chain = Ids.New("chn", _time);
        var heads = await AuditStore.HeadsAsync(transaction, 64);
        var first = NextRow(
            new ChainHead(chain, 0, AuditChain.Genesis(chain)),
            new AuditEvent("audit.chain") { Details = heads.ToDictionary(static head => head.Chain, static head => $"{head.Sequence}:{head.Hash}") });
        await transaction.ExecuteAsync($"insert into audit_chains (id, started) values ({chain}, {_time.GetUtcNow()})");
        await transaction.ExecuteAsync(AuditStore.InsertOf(first));
        return new ChainHead(chain, first.Sequence, first.Hash);
    }

    private ChainHead? CheckpointFor(long before, ChainHead after) =>
        after.Sequence / _options.CheckpointEvery > before / _options.CheckpointEvery ? after : null;

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>The last event of a chain.</summary>
internal sealed record ChainHead(string Chain, long Sequence, string Hash);

internal static partial class AuditLogMessages
{
    [LoggerMessage(LogLevel.Error, "An audit event could not be stored: its decision is refused, and a new chain begins")]
    public static partial void AppendFailed(this ILogger logger, Exception exception);

    [LoggerMessage(LogLevel.Information, "Audit checkpoint: chain {Chain} has reached {Sequence} with hash {Hash}")]
    public static partial void Checkpoint(this ILogger logger, string chain, long sequence, string hash);
}
