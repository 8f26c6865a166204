using Lanyard.Server.Hosting;
using Lanyard.Server.Storage;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Collections;

/// <summary>By which template of which definition a token was made, and for whom.</summary>
internal sealed record SubjectUse(string DefinitionId, string Audience, string Template);

/// <param name="Tokens">How many were made.</param>
internal sealed record SubjectUseCount(string Audience, string Template, long Tokens, DateTimeOffset LastUsedAt);

/// <summary>
/// Counts the identity tokens that were made by each template, so that it can be seen when an old one is unused. A count is gathered for a second before
/// it is written: making a token waits for no further statement. A killed server may lose that second; the audit log has each token.
/// </summary>
internal sealed class SubjectUses(Database database, TimeProvider time, ILogger<SubjectUses> log) : BackgroundService
{
    private const string Name = "writing of counts of subject templates";
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private Dictionary<SubjectUse, (long Tokens, DateTimeOffset LastUsed)> _gathered = [];

    public void Count(SubjectUse use)
    {
        var now = time.GetUtcNow();
        lock (_gate)
        {
            _gathered[use] = (_gathered.GetValueOrDefault(use).Tokens + 1, now);
        }
    }

    /// <summary>Of one definition, by audience and template, with what is not written yet.</summary>
    public async Task<IReadOnlyList<SubjectUseCount>> ListAsync(string definitionId, CancellationToken cancellationToken = default)
    {
        await FlushAsync(cancellationToken);
        return await database.QueryAsync(
            $"select audience, template, tokens, last_used from subject_uses where definition = {definitionId} order by audience, template",
            static row => new SubjectUseCount(row.GetString(0), row.GetString(1), row.GetInt64(2), row.GetTime(3)),
            cancellationToken);
    }

    /// <summary>Writes what was gathered. What could not be written is gathered again.</summary>
    public async Task FlushAsync(CancellationToken cancellationToken = default)
    {
        Dictionary<SubjectUse, (long Tokens, DateTimeOffset LastUsed)> batch;
        lock (_gate)
        {
            if (_gathered.Count == 0)
            {
                return;
            }

            (batch, _gathered) = (_gathered, []);
        }

        try
        {
            await database.TransactionAsync(transaction => WriteAsync(transaction, batch, cancellationToken), cancellationToken);
        }
        catch
        {
            GatherAgain(batch);
            throw;
        }
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await Rounds.TryAsync(Name, FlushAsync, log, cancellationToken);
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Rounds.RepeatAsync(Name, Interval, FlushAsync, time, log, stoppingToken);

    /// <summary>In one order, so that two replicas never wait for each other; a definition that has gone is passed over.</summary>
    private static async Task WriteAsync(
        Transaction transaction, Dictionary<SubjectUse, (long Tokens, DateTimeOffset LastUsed)> batch, CancellationToken cancellationToken)
    {
        foreach (var (use, (tokens, lastUsed)) in batch.OrderBy(entry => entry.Key.ToString(), StringComparer.Ordinal))
        {
            await transaction.ExecuteAsync(
                $"""
                insert into subject_uses (definition, audience, template, tokens, last_used)
                select id, {use.Audience}, {use.Template}, {tokens}, {lastUsed} from definitions where id = {use.DefinitionId}
                on conflict (definition, audience, template) do update set
                    tokens = subject_uses.tokens + excluded.tokens,
                    last_used = case when excluded.last_used > subject_uses.last_used then excluded.last_used else subject_uses.last_used end
                """,
                cancellationToken);
        }
    }

    private void GatherAgain(Dictionary<SubjectUse, (long Tokens, DateTimeOffset LastUsed)> batch)
    {
        lock (_gate)
        {
            foreach (var (use, (tokens, lastUsed)) in batch)
            {
                var newer = _gathered.GetValueOrDefault(use);
                _gathered[use] = (newer.Tokens + tokens, newer.Tokens > 0 ? newer.LastUsed : lastUsed);
            }
        }
    }
}
