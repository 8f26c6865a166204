using Lanyard.Protocol.Runtime;
using Lanyard.Server.Runtime;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Cache.Limits;

/// <summary>Which rules hold for a reader, and what of them the look-up must ask of entries. All that match hold together.</summary>
internal static class CacheReadRules
{
    public const int MaxRules = 16;
    public const int MaxPatterns = 16;

    public static bool IsPattern(string pattern) =>
        pattern.Length is > 0 and <= 255 && pattern.All(static c => c is >= ' ' and <= '~') && pattern.IndexOf('*', StringComparison.Ordinal) is var star && (star < 0 || star == pattern.Length - 1);

    public static bool Matches(string pattern, string? text) => pattern == "*"
        || (text is not null && (pattern.EndsWith('*') ? text.StartsWith(pattern[..^1], StringComparison.Ordinal) : text == pattern));

    /// <summary>For each rule that holds for the reader, the writers' refs that it trusts. A reader of an unknown ref may be any that a rule names: it is held by every rule's.</summary>
    public static IReadOnlyList<IReadOnlyList<string>> For(IEnumerable<CacheReadRule> rules, RuntimeSubject reader) =>
    [
        .. rules
            .Where(rule => (reader.Ref is null || rule.Refs.Any(pattern => Matches(pattern, reader.Ref))) && (rule.Workflows?.Any(pattern => Matches(pattern, reader.Workflow)) ?? true))
            .Select(static rule => rule.WrittenBy),
    ];

    /// <summary>As a condition on <c>producer_ref</c>, with its leading <c>and</c>. An entry of an unknown writer passes no rule but <c>*</c>.</summary>
    public static SqlPart Condition(IReadOnlyList<IReadOnlyList<string>> rules)
    {
        var all = new Sql(0, 0);
        foreach (var rule in rules.Where(static rule => !rule.Contains("*")))
        {
            all.AppendLiteral(" and (");
            for (var i = 0; i < rule.Count; i++)
            {
                if (i > 0) all.AppendLiteral(" or ");
                all.AppendFormatted(rule[i].EndsWith('*')
                    ? ((Sql)$"(producer_ref >= {rule[i][..^1]} and producer_ref < {rule[i][..^1] + CacheKeys.Highest})").Part
                    : ((Sql)$"producer_ref = {rule[i]}").Part);
            }

            all.AppendLiteral(")");
        }

        return all.Part;
    }
}
