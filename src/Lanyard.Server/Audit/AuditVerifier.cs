using System.Text.Json;
using Lanyard.Protocol.Audit;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Audit;

/// <summary>
/// Walks every chain: no gap in the sequence, every hash right, the columns that filters use equal to the event, every checkpoint and
/// every head that a later chain has named reached, and the end of the running chain where this process knows it to be.
/// </summary>
internal sealed class AuditVerifier(Database database)
{
    private const int PageSize = 1000;

    private readonly Dictionary<string, (long Sequence, string Hash)> _named = new(StringComparer.Ordinal);

    /// <param name="running">The head of this process's chain, read before.</param>
    public async Task<AuditReport> VerifyAsync(ChainHead? running, CancellationToken cancellationToken)
    {
        var chains = await AuditStore.ChainsAsync(database);
        var reports = new List<AuditChainReport>();

        // Newest first: it names the heads of older ones.
        foreach (var (chain, started) in chains.AsEnumerable().Reverse())
        {
            reports.Add(await VerifyChainAsync(chain, started, running, cancellationToken));
        }

        foreach (var gone in _named.Keys.Except(chains.Select(static chain => chain.Chain), StringComparer.Ordinal))
        {
            reports.Add(new AuditChainReport(gone, DateTimeOffset.UnixEpoch, 0, "", "a later chain names it, but it is gone"));
        }

        return new AuditReport(reports.TrueForAll(static report => report.Fault is null), reports.Sum(static report => report.Events), reports);
    }

    private async Task<AuditChainReport> VerifyChainAsync(string chain, DateTimeOffset started, ChainHead? running, CancellationToken cancellationToken)
    {
        var expected = (await AuditStore.CheckpointsAsync(database, chain)).ToDictionary(static point => point.Sequence, static point => point.Hash);
        if (_named.TryGetValue(chain, out var named))
        {
            expected[named.Sequence] = named.Hash;
        }

        if (running is not null && running.Chain == chain)
        {
            expected[running.Sequence] = running.Hash;
        }

        var head = new ChainHead(chain, 0, AuditChain.Genesis(chain));
        string? fault = null;
        while (fault is null)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var page = await AuditStore.ChainAsync(database, chain, head.Sequence, PageSize);
            foreach (var row in page)
            {
                if ((fault = FaultOf(row, head, expected)) is not null)
                {
                    break;
                }

                head = new ChainHead(chain, row.Sequence, row.Hash);
                expected.Remove(row.Sequence);
                NoteHeads(row);
            }

            if (page.Count < PageSize)
            {
                break;
            }
        }

        if (fault is null && expected.Count > 0)
        {
            fault = $"it ends at {head.Sequence}, but had reached {expected.Keys.Max()}";
        }

        return new AuditChainReport(chain, started, head.Sequence, head.Hash, fault);
    }

    private static string? FaultOf(AuditRow row, ChainHead head, Dictionary<long, string> expected)
    {
        if (row.Sequence != head.Sequence + 1)
        {
            return $"event {head.Sequence + 1} is missing";
        }

        if (row.PreviousHash != head.Hash || row.Hash != AuditChain.Hash(head.Hash, row.Chain, row.Sequence, row.Event))
        {
            return $"event {row.Sequence} ({row.Id}) was changed";
        }

        if (expected.TryGetValue(row.Sequence, out var hash) && hash != row.Hash)
        {
            return $"event {row.Sequence} ({row.Id}) is not the one that a checkpoint saw";
        }

        var body = JsonSerializer.Deserialize(row.Event, AuditJson.Default.AuditEventBody);
        return body is not null
            && (body.Id, body.Action, body.Decision) == (row.Id, row.Action, row.Decision)
            && (body.Workspace, body.Collection, body.Principal) == (row.Workspace, row.Collection, row.Principal)
                ? null
                : $"the columns of event {row.Sequence} ({row.Id}) are not those of the event";
    }

    private void NoteHeads(AuditRow row)
    {
        if (row.Action != "audit.chain" || JsonSerializer.Deserialize(row.Event, AuditJson.Default.AuditEventBody)?.Details is not { } heads)
        {
            return;
        }

        foreach (var (chain, head) in heads)
        {
            var at = head.IndexOf(':', StringComparison.Ordinal);
            if (at > 0 && long.TryParse(head.AsSpan(0, at), out var sequence) && (!_named.TryGetValue(chain, out var known) || known.Sequence < sequence))
            {
                _named[chain] = (sequence, head[(at + 1)..]);
            }
        }
    }
}
