using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runtime;

namespace Lanyard.Server.Collections;

/// <summary>The <c>cache</c> block of a definition, and what follows from it for a run.</summary>
internal static class CacheUseRules
{
    public const int MaxReadRefs = CacheScope.Most - 1;
    private const int MaxText = 255;

    public static void Check(DefinitionSpec spec, List<Mistake> mistakes)
    {
        for (var i = 0; i < spec.Steps.Count && spec.Cache is null; i++)
        {
            if (spec.Steps[i].Cache == true) mistakes.Add(new Mistake($"spec.steps[{i}].cache", "needs spec.cache"));
        }

        if (spec.Cache is not { } cache) return;
        if (cache.Mode is { } mode && CacheScope.BitsOf(mode) < 0) mistakes.Add(new Mistake("spec.cache.mode", $"must be one of {string.Join(", ", CacheScope.Permissions)}"));
        if (cache.ReadRefs is { Count: > MaxReadRefs }) mistakes.Add(new Mistake("spec.cache.readRefs", $"must be at most {MaxReadRefs}"));
        for (var i = 0; i < Math.Min(cache.ReadRefs?.Count ?? 0, MaxReadRefs); i++)
        {
            if (!IsPlain(cache.ReadRefs![i])) mistakes.Add(new Mistake($"spec.cache.readRefs[{i}]", $"must be 1 to {MaxText} printable ASCII characters without blanks"));
        }
    }

    /// <summary>The own ref is written and read, the others are read; the mode takes away from all of them.</summary>
    /// <param name="gitRef">The run's own; null: it has none, and writes nothing.</param>
    public static IReadOnlyList<CacheScope> ScopesOf(CacheUseSpec cache, string? gitRef)
    {
        var mode = CacheScope.BitsOf(cache.Mode ?? "write");
        IEnumerable<CacheScope> own = gitRef is null ? [] : [new CacheScope(gitRef, "write")];
        return
        [
            .. own.Concat((cache.ReadRefs ?? []).Select(static name => new CacheScope(name, "read"))).DistinctBy(static scope => scope.Scope)
                .Select(scope => scope with { Permission = CacheScope.NameOf(CacheScope.BitsOf(scope.Permission) & mode) }),
        ];
    }

    private static bool IsPlain(string text) => text.Length is > 0 and <= MaxText && text.All(static c => c is > ' ' and <= '~');
}
