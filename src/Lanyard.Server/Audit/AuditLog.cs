using System.Text.Json;
using System.Threading.Channels;
using Lanyard.Protocol.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Audit;

/// <summary>
/// Appends events to this process's hash chain; a caller goes on when its event is on disk. On SQLite, which runs one transaction at a time, an event is part
/// of the transaction that it tells of, or is one of its own, and shares the writer's commit. On PostgreSQL what has gathered while the last batch went to
/// disk is appended in one transaction. After a failed append it is not known what reached the disk, so a new chain begins.
/// </summary>
internal sealed class AuditLog : IAsyncDisposable
{
    private const int MaxBatch = 256;
    private const int MaxWaiting = 20_000;

    private readonly Database _database;
    private readonly AuditOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<AuditLog> _logger;
    private readonly EventIds _ids;
    private readonly Task _loop;
    private readonly Channel<Entry> _entries = Channel.CreateBounded<Entry>(
        new BoundedChannelOptions(MaxWaiting) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });

    /// <summary>On disk.</summary>
    private ChainHead? _head;

    /// <summary>In the transaction that runs now, on a database that runs one at a time; touched by nobody else.</summary>
    private ChainHead? _next;

    private TaskCompletionSource _appended = NewSignal();

    public AuditLog(Database database, AuditOptions options, TimeProvider time, ILogger<AuditLog> logger)
    {
        (_database, _options, _time, _logger) = (database, options, time, logger);
        _ids = new EventIds(time);
        _loop = Task.Run(LoopAsync);
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
        if (_database.IsSerial)
        {
            return await _database.TransactionAsync(transaction => AppendAsync(transaction, auditEvent));
        }

        var entry = new Entry(auditEvent, new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously));
        await _entries.Writer.WriteAsync(entry);
        return await entry.Done.Task;
    }

    /// <summary>
    /// Makes a change and records it: together or not at all where the database runs one transaction at a time, else the event right after the change.
    /// </summary>
    /// <param name="change">Answers whether it changed anything: only then there is something to record.</param>
    /// <param name="happened">Called right after the commit of the change.</param>
    public async Task<bool> RecordWithAsync(Func<Transaction, Task<bool>> change, AuditEvent auditEvent, Action happened, CancellationToken cancellationToken)
    {
        if (_database.IsSerial)
        {
            var isChanged = await _database.TransactionAsync(
                async transaction => await change(transaction) && await AppendAsync(transaction, auditEvent) is not null, cancellationToken);
            if (isChanged)
            {
                happened();
            }

            return isChanged;
        }

        if (!await _database.TransactionAsync(change, cancellationToken))
        {
            return false;
        }

        happened();
        await RecordAsync(auditEvent);
        return true;
    }

    public async ValueTask DisposeAsync()
    {
        _entries.Writer.TryComplete();
        await _loop;
    }

    /// <summary>Puts an event into a transaction of a database that runs one at a time. When it can't be stored the transaction fails.</summary>
    private async Task<string> AppendAsync(Transaction transaction, AuditEvent auditEvent)
    {
        var before = _next;
        var isStored = false;
        transaction.OnUndone(isCertain => _next = isCertain && isStored ? before : null);
        try
        {
            var head = before ?? await BeginChainAsync(transaction);
            var row = NextRow(head, auditEvent);
            await AuditStore.InsertAsync(transaction, row);
            var after = new ChainHead(head.Chain, row.Sequence, row.Hash);
            if (CheckpointFor(before?.Sequence ?? 0, after) is { } reached)
            {
                await InsertAsync(transaction, reached);
            }

            (_next, isStored) = (after, true);
            transaction.OnCommitted(() => Appended(after));
            return row.Id;
        }
        catch (Exception exception)
        {
            _logger.AppendFailed(exception, 1);
            throw;
        }
    }

    private void Appended(ChainHead head)
    {
        Volatile.Write(ref _head, head);
        Interlocked.Exchange(ref _appended, NewSignal()).TrySetResult();
    }

    private async Task LoopAsync()
    {
        var batch = new List<Entry>();
        while (await _entries.Reader.WaitToReadAsync())
        {
            batch.Clear();
            while (batch.Count < MaxBatch && _entries.Reader.TryRead(out var entry))
            {
                batch.Add(entry);
            }

            await AppendAsync(batch);
        }
    }

    private async Task AppendAsync(List<Entry> batch)
    {
        try
        {
            var head = Head ?? await _database.TransactionAsync(BeginChainAsync);
            var rows = new List<AuditRow>(batch.Count);
            foreach (var entry in batch)
            {
                rows.Add(NextRow(head, entry.Event));
                head = new ChainHead(head.Chain, rows[^1].Sequence, rows[^1].Hash);
            }

            await StoreAsync(rows, CheckpointFor(Head?.Sequence ?? 0, head));
            Appended(head);
            for (var i = 0; i < batch.Count; i++)
            {
                batch[i].Done.TrySetResult(rows[i].Id);
            }
        }
        catch (Exception exception)
        {
            _logger.AppendFailed(exception, batch.Count);
            Volatile.Write(ref _head, null);
            foreach (var entry in batch)
            {
                entry.Done.TrySetException(exception);
            }
        }
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
        await AuditStore.InsertAsync(transaction, first);
        return new ChainHead(chain, first.Sequence, first.Hash);
    }

    private Task StoreAsync(List<AuditRow> rows, ChainHead? checkpoint) => _database.TransactionAsync(async transaction =>
    {
        await AuditStore.InsertAsync(transaction, rows);
        if (checkpoint is { } reached)
        {
            await InsertAsync(transaction, reached);
        }
    });

    private async Task InsertAsync(Transaction transaction, ChainHead reached)
    {
        await transaction.ExecuteAsync(
            $"insert into audit_checkpoints (chain, seq, at, hash) values ({reached.Chain}, {reached.Sequence}, {_time.GetUtcNow()}, {reached.Hash})");
        _logger.Checkpoint(reached.Chain, reached.Sequence, reached.Hash);
    }

    private ChainHead? CheckpointFor(long before, ChainHead after) =>
        after.Sequence / _options.CheckpointEvery > before / _options.CheckpointEvery ? after : null;

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private sealed record Entry(AuditEvent Event, TaskCompletionSource<string> Done);
}

/// <summary>The last event of a chain.</summary>
internal sealed record ChainHead(string Chain, long Sequence, string Hash);

internal static partial class AuditLogMessages
{
    [LoggerMessage(LogLevel.Error, "{Count} audit events could not be stored; their decisions are refused, and a new chain begins")]
    public static partial void AppendFailed(this ILogger logger, Exception exception, int count);

    [LoggerMessage(LogLevel.Information, "Audit checkpoint: chain {Chain} has reached {Sequence} with hash {Hash}")]
    public static partial void Checkpoint(this ILogger logger, string chain, long sequence, string hash);
}
