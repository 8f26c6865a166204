using System.Text.RegularExpressions;

namespace Lanyard.ClusterProxy.AccessEntries;

/// <summary>What is no mistake in an entries' file and most often still wrong.</summary>
internal static partial class EntryLint
{
    /// <summary>Claims that an owner can rename, or give up so that somebody else takes the name, and the one that stays.</summary>
    private static readonly Dictionary<string, string> Mutable = new(StringComparer.Ordinal)
    {
        ["repository"] = "repository_id",
        ["repository_owner"] = "repository_owner_id",
        ["actor"] = "actor_id",
        ["project_path"] = "project_id",
        ["namespace_path"] = "namespace_id",
        ["user_login"] = "user_id",
        ["user_email"] = "user_id",
        ["organization_slug"] = "organization_id",
        ["pipeline_slug"] = "pipeline_id",
        ["workspace"] = "workspace_id",
        ["collection"] = "collection_id",
        ["definition"] = "definition_id",
        ["email"] = "sub",
    };

    public static IEnumerable<string> Warnings(IReadOnlyList<AccessEntry> entries)
    {
        for (var i = 0; i < entries.Count; i++)
        {
            var entry = entries[i];
            foreach (var claim in entry.Claims.Select(c => c.Path.Text).Where(Mutable.ContainsKey).Where(c => entry.Claims.All(o => o.Path.Text != Mutable[c])))
            {
                yield return $"{entry.Name}: {claim} can be renamed and taken by somebody else: ask for {Mutable[claim]} beside it or instead";
            }

            foreach (Match claim in Claims().Matches(entry.Text.Username))
            {
                if (Mutable.TryGetValue(claim.Groups[1].Value, out var lasting))
                {
                    yield return $"{entry.Name}: the username is made of {claim.Groups[1].Value}, which can be renamed and taken by somebody else: use {{{lasting}}}";
                }
            }

            if (!Claims().IsMatch(entry.Text.Username) && FixedClaims.Known(entry.Username, entry.Fixed) is { } name && name.Length > 0)
            {
                yield return $"{entry.Name}: every token of it becomes the one user {name}: audit can't tell them apart";
            }

            if (entries.Take(i).FirstOrDefault(e => Covers(e, entry)) is { } earlier)
            {
                yield return $"{entry.Name}: never reached, because {earlier.Name} before it takes every token that it would";
            }
        }
    }

    /// <summary>Every condition of the earlier entry stands in the later one too.</summary>
    private static bool Covers(AccessEntry earlier, AccessEntry later) => earlier.Issuer == later.Issuer
        && earlier.Text.Conditions.All(c => later.Text.Conditions.TryGetValue(c.Key, out var same) && same == c.Value);

    [GeneratedRegex(@"(?<!\{)\{([A-Za-z0-9_]+)\}")]
    private static partial Regex Claims();
}
