using Lanyard.Protocol.Runtime;
using Lanyard.Server.Collections;

namespace Lanyard.Server.Runs;

/// <summary>What of the cache is a run's.</summary>
/// <param name="Repository">The run's repository with its collection, <c>demo/app@col_…</c>: a collection is a wall, and an admin of another may state the same repository.</param>
/// <param name="Scopes">In the order in which they are searched.</param>
internal sealed record RunCache(string Repository, string? Ref, string Actor, IReadOnlyList<CacheScope> Scopes);

/// <summary>Whether a run has a cache, and which; from what was written down when it was created.</summary>
internal sealed class RunCaches(RunStore store, RunMemory memory)
{
    /// <returns>Null where the definition has no <c>cache</c> block, or the run no repository.</returns>
    public static RunCache? Of(RunDocument document) => document is { Spec.Cache: { } cache, Context.Repository: { } repository }
        ? new RunCache($"{repository.ToLowerInvariant()}@{document.CollectionId}", document.Context.Ref, document.Context.Actor, CacheUseRules.ScopesOf(cache, document.Context.Ref))
        : null;

    public async ValueTask<RunCache?> FindAsync(string run, CancellationToken cancellationToken) =>
        await DocumentOfAsync(run, cancellationToken) is { } document ? Of(document) : null;

    /// <summary>What a run keeps of the moment in which it was created; null where there is no such run.</summary>
    public async ValueTask<RunDocument?> DocumentOfAsync(string run, CancellationToken cancellationToken)
    {
        if (memory.FindDocument(run) is { } known) return known;
        if (await store.FindDocumentAsync(run, cancellationToken) is not { } json) return null;
        var document = RunDocument.Parse(json);
        memory.Remember(run, document, json);
        return document;
    }
}
