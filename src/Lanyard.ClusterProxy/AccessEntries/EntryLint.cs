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
                if (IssuerPresets.Reusable(claim, preset) is { } reusable && entry.Claims.All(o => o.Path.Text != reusable.Lasting))
                {
                    yield return $"{entry.Name}: {claim} {reusable.Taken}: ask for {reusable.Lasting} beside it or instead";
                }
            }

            foreach (var claim in Claims().Matches(entry.Text.Username).Select(static match => match.Groups[1].Value).Where(static claim => claim != "sub"))
            {
                if (IssuerPresets.Reusable(claim, preset) is { } reusable)
                {
                    yield return $"{entry.Name}: the username is made of {claim}, which {reusable.Taken}: use {{{reusable.Lasting}}}";
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
