using Lanyard.Identity;
using Lanyard.Server.Audit;
using Lanyard.Server.Cache.Blobs;
using Lanyard.Server.Cache.Limits;
using Lanyard.Server.Runtime;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Cache;

/// <summary>
/// What both protocols do: look up, reserve, finalise. Workspace, repository and scopes are the subject's; the request says key, version and size only.
/// </summary>
internal sealed class CacheService(
    CacheEntryStore entries, CacheMatchStore matches, SegmentStore segments, BlobStore files, CachePurger purger, CacheOptions options, CacheSettingsDirectory settings, CacheTally tally, DamagedEntries damaged, CacheRefusals refusals, AuditLog audit, TimeProvider time,
    RuntimeQuestions questions, ILogger<CacheService> logger)
{
    private const int Tries = 4;
    /// <returns>The best entry; or NotFound (a miss), Forbidden (no scope may be read), RequestMalformed.</returns>
    public async Task<Outcome<CacheEntry>> MatchAsync(HttpContext context, RuntimeSubject subject, IReadOnlyList<string> keys, string version)
    {
        if ((CacheKeys.MistakeInKeys(keys) ?? CacheKeys.MistakeInVersion(version)) is { } mistake) return Malformed(mistake);
        var probes = CacheMatching.Probes(subject.Scopes, keys);
        if (subject.Repository is not { } repository || probes.Count == 0) return await DeniedAsync(context, subject, "cache.read");

        var limits = await settings.LimitsAsync(subject.WorkspaceId, context.RequestAborted);
        var rules = CacheReadRules.For(limits.ReadRules, subject);
        for (var i = 0; i < Tries; i++)
        {
            if (await matches.MatchAsync(subject.WorkspaceId, repository, version, probes, rules, context.RequestAborted) is not { } entry) break;
            if (await IsThereAsync(entry, context.RequestAborted) is not { } isThere) break;
            if (isThere)
            {
                if (!await HoldAsync(entry, context)) continue;
                await audit.RecordAsync(Event(context, subject, entry, "cache.read"));
                return entry;
            }

            // Clients take any body for the archive: a blob that is missing behind us must be a miss here.
            await damaged.TakeOutAsync(entry, AuditEvent.Of(context, "cache.damaged"), what: null);
        }

        return new Refusal(RefusalReason.NotFound, $"nothing in {repository} for {keys[0]}");
    }

    /// <summary>Entries of a key in whatever version, of the scopes that may be read.</summary>
    /// <returns>Or Forbidden (no scope may be read), RequestMalformed.</returns>
    public async Task<Outcome<List<CacheEntry>>> ListAsync(HttpContext context, RuntimeSubject subject, string key)
    {
        if (CacheKeys.MistakeInKey(key) is { } mistake) return Malformed(mistake);
        var scopes = CacheMatching.ReadScopes(subject.Scopes).ToList();
        if (subject.Repository is not { } repository || scopes.Count == 0) return await DeniedAsync(context, subject, "cache.read");
        var rules = CacheReadRules.For((await settings.LimitsAsync(subject.WorkspaceId, context.RequestAborted)).ReadRules, subject);
        var found = new List<CacheEntry>();
        foreach (var scope in scopes) found.AddRange(await matches.OfKeyAsync(subject.WorkspaceId, repository, scope, CacheKeys.Fold(key), rules, context.RequestAborted));
        return found;
    }

    /// <returns>The subject's pending entry, new or its own from before; or Conflict (ready, or another's), Forbidden, RequestMalformed.</returns>
    public async Task<Outcome<CacheEntry>> ReserveAsync(HttpContext context, RuntimeSubject subject, string key, string version, long size = 0)
    {
        if ((CacheKeys.MistakeInKey(key) ?? CacheKeys.MistakeInVersion(version)) is { } mistake) return Malformed(mistake);
        if (NameFor(subject, key, version) is not { } name) return await DeniedAsync(context, subject, "cache.write");

        var limits = await settings.LimitsAsync(subject.WorkspaceId, context.RequestAborted);
        if (size > limits.EntryBytes(name.Repository)) return await ToldAsync(context, subject, TooLarge(limits, name.Repository), name);
        var until = time.GetUtcNow() + options.PendingLife;
        for (var i = 0; i < Tries; i++)
        {
            if (await entries.InsertAsync(name, subject.Key, CacheProvenance.Of(subject), until, limits.Encrypt, limits.EntriesPerMinute, context.RequestAborted) is { } made) return made;
            if (await entries.FindAsync(name, context.RequestAborted) is not { } present)
            {
                if (await IsTooFastAsync(name, limits, context.RequestAborted))
                    return await ToldAsync(context, subject, new Refusal(RefusalReason.TooManyRequests, $"{name.Repository} made {limits.EntriesPerMinute} entries in a minute"), name);
                continue;
            }

            if (present.State == CacheStates.Ready) return new Refusal(RefusalReason.Conflict, $"entry {present.Id} is there");
            if (present.Subject == subject.Key && await entries.RenewAsync(present, until, context.RequestAborted)) return present;
            var isStanding = present.PendingUntil > time.GetUtcNow();
            if (isStanding && !await IsOverAsync(present.Subject, subject, context.RequestAborted)) return new Refusal(RefusalReason.Conflict, $"entry {present.Id} is pending for {present.Subject}");
            if (await entries.AbandonAsync(present, isOver: isStanding, context.RequestAborted)) await purger.PurgeAsync(present.Blob, context.RequestAborted);
        }

        return new Refusal(RefusalReason.Conflict, $"{name.Key} changes hands too fast, or workspace {name.WorkspaceId} is gone");
    }

    /// <summary>By name, as protocol v2 has it. Repeating it after a lost answer gives the same again.</summary>
    /// <returns>The ready entry; or NotFound (the caller has no such pending entry), Conflict (another size, nothing uploaded), Forbidden, RequestMalformed.</returns>
    public async Task<Outcome<CacheEntry>> FinalizeAsync(HttpContext context, RuntimeSubject subject, string key, string version, long size)
    {
        if ((CacheKeys.MistakeInKey(key) ?? CacheKeys.MistakeInVersion(version)) is { } mistake) return Malformed(mistake);
        if (NameFor(subject, key, version) is not { } name) return await DeniedAsync(context, subject, "cache.write");
        return await FinalizeAsync(context, subject, name, size);
    }

    /// <summary>Of the entry that holds a name. What it is before is asked only where nothing could be made ready: nearly always it can.</summary>
    public async Task<Outcome<CacheEntry>> FinalizeAsync(HttpContext context, RuntimeSubject subject, CacheName name, long size)
    {
        if (size < 0) return Malformed("size must not be negative");
        var limits = await settings.LimitsAsync(name.WorkspaceId, context.RequestAborted);
        if (size > limits.EntryBytes(name.Repository)) return await ToldAsync(context, subject, TooLarge(limits, name.Repository), name);
        var finished = await audit.RecordWithAsync(
            segments.Finalize(name, subject.Key, size),
            name.Row,
            SegmentStore.ReadFinished,
            async (transaction, made) =>
            {
                if (made.HasSpare) await transaction.ExecuteLaterAsync(SegmentStore.DropSpare(made.Entry));
                return Event(context, subject, made.Entry, "cache.write");
            },
            () => tally.Added(name.WorkspaceId, name.Repository, size),
            context.RequestAborted);
        if (finished is null) return await WhyNotAsync(subject, name, size, context.RequestAborted);
        await TidyAsync(finished);
        return finished.Entry;
    }

    /// <returns>The entry where it was made ready before, as a caller whose answer was lost asks again; or NotFound, Conflict.</returns>
    private async Task<Outcome<CacheEntry>> WhyNotAsync(RuntimeSubject subject, CacheName name, long size, CancellationToken cancellationToken)
    {
        if (await entries.FindAsync(name, cancellationToken) is not { } entry) return new Refusal(RefusalReason.NotFound, $"nothing is pending for {name.Key}");
        if (entry.Subject != subject.Key) return new Refusal(RefusalReason.NotFound, $"entry {entry.Id} is {entry.Subject}'s");
        if (entry.State == CacheStates.Ready && entry.Size == size) return entry;
        return new Refusal(RefusalReason.Conflict, $"entry {entry.Id} is {entry.State}, and not pending with {size} bytes");
    }

    /// <summary>Clears away the bytes of blocks that no list has named, and what a killed server had begun.</summary>
    private async Task TidyAsync(FinishedEntry finished)
    {
        var blob = finished.Entry.Blob;
        if (!finished.HasSpare && (!segments.MayHaveOrphans(finished.Entry) || await files.CountAsync(blob) <= finished.Segments)) return;
        var needed = await segments.SegmentsAsync(blob, CancellationToken.None);
        await files.DeleteAllButAsync(blob, needed.Select(static one => one.Segment).ToHashSet(StringComparer.Ordinal));
    }

    /// <returns>Null where the store can't be asked: then nothing is found, and nothing is held against the entry.</returns>
    private async ValueTask<bool?> IsThereAsync(CacheEntry entry, CancellationToken cancellationToken)
    {
        try
        {
            return await files.HasAsync(entry.Blob, () => segments.SegmentsAsync(entry.Blob, cancellationToken), cancellationToken);
        }
        catch (BlobStoreException exception)
        {
            logger.StoreFailed(exception);
            return null;
        }
    }

    /// <summary>As long as the URL that is given out is good, nobody takes the bytes away; written a few times an hour at most.</summary>
    private async ValueTask<bool> HoldAsync(CacheEntry entry, HttpContext context)
    {
        var now = time.GetUtcNow();
        return entry.ReadUntil >= now + BlobUrls.DownloadLife || await entries.MarkUsedAsync(entry, now + CacheEvictor.Hold, context.RequestAborted);
    }

    /// <summary>Whether nobody can finish any more what an owner has reserved.</summary>
    private async ValueTask<bool> IsOverAsync(string owner, RuntimeSubject subject, CancellationToken cancellationToken) =>
        subject.Supersedes(owner) || await questions.HasEnded(owner, cancellationToken);

    private async ValueTask<bool> IsTooFastAsync(CacheName name, CacheLimits limits, CancellationToken cancellationToken) => limits.EntriesPerMinute > 0
        && await entries.CountRecentAsync(name.WorkspaceId, name.Repository, limits.EntriesPerMinute, cancellationToken) >= limits.EntriesPerMinute;

    private static Refusal TooLarge(CacheLimits limits, string repository) =>
        new(RefusalReason.RequestTooLarge, $"the cache is too large: an entry of this repository has at most {limits.EntryBytes(repository)} bytes");

    private async Task<Refusal> DeniedAsync(HttpContext context, RuntimeSubject subject, string action)
    {
        var refusal = new Refusal(RefusalReason.Forbidden, $"{subject.Id} has no scope for {action} (repository {subject.Repository ?? "none"})");
        await refusals.TellAsync(AuditEvent.Of(context, action) with { WorkspaceId = subject.WorkspaceId, Refusal = refusal, Target = subject.Repository }, subject.Key);
        return refusal;
    }

    private async Task<Refusal> ToldAsync(HttpContext context, RuntimeSubject subject, Refusal refusal, CacheName name)
    {
        var details = new Dictionary<string, string> { ["scope"] = name.Scope, ["key"] = name.Key, ["version"] = name.Version };
        await refusals.TellAsync(AuditEvent.Of(context, "cache.write") with { WorkspaceId = name.WorkspaceId, Refusal = refusal, Target = name.Repository, Details = details }, subject.Key);
        return refusal;
    }

    private static AuditEvent Event(HttpContext context, RuntimeSubject subject, CacheEntry entry, string action) =>
        AuditEvent.Of(context, action) with
        {
            WorkspaceId = subject.WorkspaceId,
            Target = entry.Id.ToString(System.Globalization.CultureInfo.InvariantCulture),
            Details = entry.Details,
        };

    private static CacheName? NameFor(RuntimeSubject subject, string key, string version) =>
        subject.Repository is { } repository && CacheMatching.WriteScope(subject.Scopes) is { } scope
            ? new CacheName(subject.WorkspaceId, repository, scope, version, key)
            : null;

    private static Refusal Malformed(string mistake) => new(RefusalReason.RequestMalformed, mistake);
}
