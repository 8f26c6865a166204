using Lanyard.Identity;
using Lanyard.Server.Audit;
using Lanyard.Server.Cache.Blobs;
using Lanyard.Server.Runtime;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Cache;

/// <summary>
/// What both protocols do: look up, reserve, finalise. Workspace, repository and scopes are the subject's; the request says key, version and size only.
/// </summary>
internal sealed class CacheService(
    CacheEntryStore entries, SegmentStore segments, FileBlobs files, CacheOptions options, AuditLog audit, TimeProvider time, ILogger<CacheService> logger)
{
    private const int Tries = 4;
    private static readonly TimeSpan UsedGrain = TimeSpan.FromMinutes(5);

    /// <returns>The best entry; or NotFound (a miss), Forbidden (no scope may be read), RequestMalformed.</returns>
    public async Task<Outcome<CacheEntry>> MatchAsync(HttpContext context, RuntimeSubject subject, IReadOnlyList<string> keys, string version)
    {
        if ((CacheKeys.MistakeInKeys(keys) ?? CacheKeys.MistakeInVersion(version)) is { } mistake) return Malformed(mistake);
        var probes = CacheMatching.Probes(subject.Scopes, keys);
        if (subject.Repository is not { } repository || probes.Count == 0) return await DeniedAsync(context, subject, "cache.read");

        for (var i = 0; i < Tries; i++)
        {
            if (await entries.MatchAsync(subject.WorkspaceId, repository, version, probes, context.RequestAborted) is not { } entry) break;
            if (files.Has(entry.Blob, await segments.SegmentsAsync(entry.Blob, context.RequestAborted)))
            {
                await FoundAsync(context, subject, entry);
                return entry;
            }

            // Clients take any body for the archive: a blob that is missing behind us must be a miss here.
            logger.BytesMissing(entry.Id, entry.Blob);
            await entries.MarkDamagedAsync(entry.Id, context.RequestAborted);
        }

        return new Refusal(RefusalReason.NotFound, $"nothing in {repository} for {keys[0]}");
    }

    /// <returns>The subject's pending entry, new or its own from before; or Conflict (ready, or another's), Forbidden, RequestMalformed.</returns>
    public async Task<Outcome<CacheEntry>> ReserveAsync(HttpContext context, RuntimeSubject subject, string key, string version)
    {
        if ((CacheKeys.MistakeInKey(key) ?? CacheKeys.MistakeInVersion(version)) is { } mistake) return Malformed(mistake);
        if (NameFor(subject, key, version) is not { } name) return await DeniedAsync(context, subject, "cache.write");

        var until = time.GetUtcNow() + options.PendingLife;
        for (var i = 0; i < Tries; i++)
        {
            if (await entries.InsertAsync(name, subject.Key, CacheProvenance.Of(subject), until, context.RequestAborted) is { } made) return made;
            if (await entries.FindAsync(name, context.RequestAborted) is not { } present) continue;
            if (present.State == CacheStates.Ready) return new Refusal(RefusalReason.Conflict, $"entry {present.Id} is there");
            if (present.Subject == subject.Key && await entries.RenewAsync(present.Id, subject.Key, until, context.RequestAborted)) return present;
            if (present.PendingUntil > time.GetUtcNow()) return new Refusal(RefusalReason.Conflict, $"entry {present.Id} is pending for {present.Subject}");
            if (await entries.RemoveAbandonedAsync(present, context.RequestAborted)) files.Delete(present.Blob);
        }

        return new Refusal(RefusalReason.Conflict, $"{name.Key} changes hands too fast");
    }

    /// <summary>By name, as protocol v2 has it. Repeating it after a lost answer gives the same again.</summary>
    /// <returns>The ready entry; or NotFound (the caller has no such pending entry), Conflict (another size, nothing uploaded), Forbidden, RequestMalformed.</returns>
    public async Task<Outcome<CacheEntry>> FinalizeAsync(HttpContext context, RuntimeSubject subject, string key, string version, long size)
    {
        if ((CacheKeys.MistakeInKey(key) ?? CacheKeys.MistakeInVersion(version)) is { } mistake) return Malformed(mistake);
        if (NameFor(subject, key, version) is not { } name) return await DeniedAsync(context, subject, "cache.write");
        return await entries.FindAsync(name, context.RequestAborted) is { } entry
            ? await FinalizeAsync(context, subject, entry, size)
            : new Refusal(RefusalReason.NotFound, $"nothing is pending for {key}");
    }

    /// <summary>Of an entry that the caller has found.</summary>
    public async Task<Outcome<CacheEntry>> FinalizeAsync(HttpContext context, RuntimeSubject subject, CacheEntry entry, long size)
    {
        if (size < 0 || size > options.MaxEntryBytes) return Malformed($"size is 0 to {options.MaxEntryBytes} bytes");
        if (entry.Subject != subject.Key) return new Refusal(RefusalReason.NotFound, $"entry {entry.Id} is {entry.Subject}'s");
        if (entry.State == CacheStates.Ready)
        {
            return entry.Size == size ? entry : new Refusal(RefusalReason.Conflict, $"entry {entry.Id} is ready with {entry.Size} bytes");
        }

        if (!(await segments.FinalizeAsync(entry, size, context.RequestAborted)).TryGet(out var needed, out var refusal)) return refusal;
        files.DeleteAllBut(entry.Blob, needed);
        await audit.RecordAsync(Event(context, subject, entry, "cache.write"));
        return entry with { State = CacheStates.Ready, Size = size };
    }

    private async Task FoundAsync(HttpContext context, RuntimeSubject subject, CacheEntry entry)
    {
        if (time.GetUtcNow() - entry.UsedAt > UsedGrain) await entries.MarkUsedAsync(entry.Id, context.RequestAborted);
        await audit.RecordAsync(Event(context, subject, entry, "cache.read"));
    }

    private async Task<Refusal> DeniedAsync(HttpContext context, RuntimeSubject subject, string action)
    {
        var refusal = new Refusal(RefusalReason.Forbidden, $"{subject.Id} has no scope for {action} (repository {subject.Repository ?? "none"})");
        await audit.RecordAsync(AuditEvent.Of(context, action) with { WorkspaceId = subject.WorkspaceId, Refusal = refusal, Target = subject.Repository });
        return refusal;
    }

    private static AuditEvent Event(HttpContext context, RuntimeSubject subject, CacheEntry entry, string action) =>
        AuditEvent.Of(context, action) with
        {
            WorkspaceId = subject.WorkspaceId,
            Target = entry.Id.ToString(System.Globalization.CultureInfo.InvariantCulture),
            Details = new Dictionary<string, string> { ["repository"] = entry.Repository, ["scope"] = entry.Scope, ["key"] = entry.Key, ["version"] = entry.Version },
        };

    private static CacheName? NameFor(RuntimeSubject subject, string key, string version) =>
        subject.Repository is { } repository && CacheMatching.WriteScope(subject.Scopes) is { } scope
            ? new CacheName(subject.WorkspaceId, repository, scope, version, key)
            : null;

    private static Refusal Malformed(string mistake) => new(RefusalReason.RequestMalformed, mistake);
}
