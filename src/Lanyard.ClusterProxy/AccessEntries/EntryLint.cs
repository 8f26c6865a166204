using System.Text.RegularExpressions;
using Lanyard.Identity.Presets;

namespace Lanyard.ClusterProxy.AccessEntries;

/// <summary>What is no mistake in an entries' file and most often still wrong.</summary>
internal static partial class EntryLint
{
    public static IEnumerable<string> Warnings(IReadOnlyList<AccessEntry> entries)
    {
        for (var i = 0; i < entries.Count; i++)
        {
            var entry = entries[i];
            var preset = IssuerPresets.ForIssuer(entry.Issuer);
            foreach (var claim in entry.Claims.Select(c => c.Path.Text).Where(static c => c != "sub"))
            {
                if (IssuerPresets.LastingOf(claim, preset) is { } lasting && entry.Claims.All(o => o.Path.Text != lasting))
                {
                    yield return $"{entry.Name}: {claim} can be renamed and taken by somebody else: ask for {lasting} beside it or instead";
                }
            }

            foreach (Match claim in Claims().Matches(entry.Text.Username))
            {
                if (claim.Groups[1].Value is not "sub" && IssuerPresets.LastingOf(claim.Groups[1].Value, preset) is { } lasting)
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
