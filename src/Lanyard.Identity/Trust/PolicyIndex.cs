using Lanyard.Identity.Tokens;

namespace Lanyard.Identity.Trust;

/// <summary>
/// Finds those of many policies that a token may match, without asking the others: most ask for one exact text in a claim that others ask other texts of, such as a repository's
/// id. It leaves out only what can't match.
/// </summary>
/// <typeparam name="T">What holds a policy.</typeparam>
public sealed class PolicyIndex<T>
    where T : class
{
    /// <summary>So few are asked as fast as they are found.</summary>
    private const int Few = 8;

    private readonly List<int> _always = [];
    private readonly Dictionary<string, Dictionary<string, List<int>>> _byClaim = new(StringComparer.Ordinal);

    public PolicyIndex(IReadOnlyList<T> all, Func<T, TrustPolicy> policyOf)
    {
        ArgumentNullException.ThrowIfNull(all);
        ArgumentNullException.ThrowIfNull(policyOf);
        All = all;
        if (all.Count <= Few) return;
        var texts = all.Select(one => policyOf(one).ExactTexts.ToList()).ToList();
        // The claim of which the most different texts are asked tells the policies apart best.
        var different = texts.SelectMany(static one => one).GroupBy(static one => one.Claim, StringComparer.Ordinal)
            .ToDictionary(static group => group.Key, static group => group.SelectMany(static one => one.Texts).Distinct(StringComparer.Ordinal).Count(), StringComparer.Ordinal);
        for (var i = 0; i < all.Count; i++)
        {
            if (texts[i].Count == 0) _always.Add(i);
            else Add(i, texts[i].MaxBy(one => different[one.Claim]));
        }
    }

    /// <summary>In their order.</summary>
    public IReadOnlyList<T> All { get; }

    /// <summary>Those that may match, in their order.</summary>
    public IReadOnlyList<T> Candidates(ClaimSet claims)
    {
        ArgumentNullException.ThrowIfNull(claims);
        if (_byClaim.Count == 0) return All;
        List<int>? found = null;
        foreach (var (claim, texts) in _byClaim)
            if (claims.TryGetString(claim, out var text) && texts.TryGetValue(text, out var places)) (found ??= [.. _always]).AddRange(places);
        found ??= _always;
        if (found != _always) found.Sort();
        var candidates = new T[found.Count];
        for (var i = 0; i < candidates.Length; i++) candidates[i] = All[found[i]];
        return candidates;
    }

    private void Add(int place, (string Claim, IReadOnlyList<string> Texts) asked)
    {
        if (!_byClaim.TryGetValue(asked.Claim, out var texts)) _byClaim[asked.Claim] = texts = new(StringComparer.Ordinal);
        foreach (var text in asked.Texts.Distinct(StringComparer.Ordinal))
        {
            if (!texts.TryGetValue(text, out var places)) texts[text] = places = [];
            places.Add(place);
        }
    }
}
