using System.Collections.Concurrent;
using System.Text.Json;
using Lanyard.Protocol.Runtime;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;
using Lanyard.Identity;

namespace Lanyard.Server.Cache.Limits;

/// <summary>Settings as they are kept; version 0: none were ever written.</summary>
internal sealed record KeptSettings(long Version, CacheSettings Settings);

/// <summary>Each workspace's settings, in memory until they change on any replica.</summary>
internal sealed class CacheSettingsDirectory : IDisposable
{
    private const string Channel = "cache-settings";

    private readonly Database _database;
    private readonly AuditLog _audit;
    private readonly CacheOptions _options;
    private readonly CacheTally _tally;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<string, CacheLimits> _known = new(StringComparer.Ordinal);
    private readonly IDisposable _subscription;
    private long _generation;

    public CacheSettingsDirectory(Database database, AuditLog audit, CacheOptions options, CacheTally tally, TimeProvider time)
    {
        (_database, _audit, _options, _tally, _time) = (database, audit, options, tally, time);
        _subscription = database.Notifications.Subscribe(Channel, Forget);
    }

    public async ValueTask<CacheLimits> LimitsAsync(string workspaceId, CancellationToken cancellationToken)
    {
        if (_known.TryGetValue(workspaceId, out var known)) return known;
        var generation = Interlocked.Read(ref _generation);
        var limits = new CacheLimits((await FindAsync(workspaceId, cancellationToken)).Settings, _options);

        // What changed while it was read is read again by the next caller.
        if (generation == Interlocked.Read(ref _generation)) _known[workspaceId] = limits;
        return limits;
    }

    public async Task<KeptSettings> FindAsync(string workspaceId, CancellationToken cancellationToken) =>
        await _database.QuerySingleOrNullAsync($"select version, spec from cache_settings where workspace = {workspaceId}", Read, cancellationToken)
        ?? new KeptSettings(0, new CacheSettings());

    /// <returns>What is kept now; or PreconditionRequired, PreconditionFailed, NotFound (the workspace has gone).</returns>
    public async Task<Outcome<KeptSettings>> PutAsync(string workspaceId, CacheSettings settings, Precondition precondition, AuditEvent about, CancellationToken cancellationToken)
    {
        Outcome<KeptSettings> outcome;
        try
        {
            outcome = await _audit.ChangeAsync(transaction => PutAsync(transaction, workspaceId, settings, precondition), _ => about, cancellationToken);
        }
        catch (ConstraintViolationException violation) when (violation.Kind == ConstraintKind.Reference)
        {
            return Access.Missing($"workspace {workspaceId} is gone");
        }

        Forget(workspaceId);
        _database.Notifications.Publish(Channel, workspaceId);
        return outcome;
    }

    public static string ETagOf(string workspaceId, long version) => Precondition.ETagOf(workspaceId + ".cache", version);

    public void Dispose() => _subscription.Dispose();

    private async Task<Outcome<KeptSettings>> PutAsync(Transaction transaction, string workspaceId, CacheSettings settings, Precondition precondition)
    {
        var present = await transaction.QuerySingleOrNullAsync($"select version, spec from cache_settings where workspace = {workspaceId} {_database.ForUpdate}", Read);
        if (precondition.Check(present is null ? null : ETagOf(workspaceId, present.Version)) is { } refusal) return refusal;
        var kept = new KeptSettings((present?.Version ?? 0) + 1, settings);
        var json = JsonSerializer.Serialize(settings, CacheAdminJson.Default.CacheSettings);

        // The first of all are seen by nobody else before they are on disk.
        var written = await transaction.ExecuteAsync(
            $"""
            insert into cache_settings (workspace, version, updated, spec) values ({workspaceId}, {kept.Version}, {_time.GetUtcNow()}, {json})
            on conflict (workspace) do update set version = excluded.version, updated = excluded.updated, spec = excluded.spec where cache_settings.version = {kept.Version - 1}
            """);
        return written == 1 ? kept : new Refusal(RefusalReason.PreconditionFailed, "they were written at the same moment");
    }

    private void Forget(string? workspaceId)
    {
        Interlocked.Increment(ref _generation);
        if (workspaceId is null) _known.Clear();
        else _known.TryRemove(workspaceId, out _);
        _tally.Forget(workspaceId);
    }

    private static KeptSettings Read(System.Data.Common.DbDataReader row) =>
        new(row.GetInt64(0), JsonSerializer.Deserialize(row.GetString(1), CacheAdminJson.Default.CacheSettings)!);
}
