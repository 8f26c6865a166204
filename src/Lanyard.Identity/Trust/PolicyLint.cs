using System.Text.Json;
using System.Text.RegularExpressions;
using Lanyard.Identity.Presets;

namespace Lanyard.Identity.Trust;

/// <summary>
/// What is no mistake in a trust policy and most often still wrong: names that change hands, no tenant, no place, pull requests, patterns that reach further, or less
/// far, than they look. Told when a policy is saved and by <c>lanyard lint</c>; nothing is refused for it.
/// </summary>
public static partial class PolicyLint
{
    /// <param name="policy">The document, as <see cref="TrustPolicy.Parse(JsonElement)"/> takes it.</param>
    /// <param name="issuer">The <c>iss</c> of the trusted issuer that it is for, where known.</param>
    public static IReadOnlyList<PolicyMistake> Warnings(JsonElement policy, string? issuer)
    {
        if (policy.ValueKind != JsonValueKind.Object) return [];
        var named = TextOf(policy, "preset") is { } name ? IssuerPresets.Find(name) : null;
        var preset = named ?? (TextOf(policy, "issuer")?.StartsWith("cluster/", StringComparison.Ordinal) == true ? IssuerPresets.Find("kubernetes") : null)
            ?? (issuer is null ? null : IssuerPresets.ForIssuer(issuer));
        var asked = AskedClaims.Of(policy, preset);
        var warnings = new List<PolicyMistake>();
        if (named is not null && issuer is not null && !named.Knows(issuer))
            warnings.Add(new PolicyMistake("preset", $"{issuer} is no issuer of {named.Title}: {string.Join(", ", named.Issuers)}"));
        foreach (var value in asked.Values)
        {
            if (NameOnly(value, asked, preset) is { } reusable) warnings.Add(reusable);
            else if (value.IsGlob && Reach(value, preset) is { } reach) warnings.Add(reach);
        }

        if (preset is not null) warnings.AddRange(Missing(policy, preset, asked));
        warnings.AddRange(InName(policy, preset));
        return warnings;
    }

    private static PolicyMistake? NameOnly(AskedValue value, AskedClaims asked, IssuerPreset? preset)
    {
        if (IssuerPresets.Reusable(value.Claim, preset) is not { } claim || asked.Contains(claim.Lasting!)) return null;
        // Where the tenant is fixed, a name can only change hands among those who belong to it.
        if (preset is not null && preset.IsTenantAsked(asked.Contains)) return null;
        if (preset is not null && claim.LastingForm is { } form && Glob.TryParse(form, out _) is { } glob
            && glob.Matches(string.Join(':', value.Text.Split(':').Take(form.Split(':').Length)))) return null;
        return new PolicyMistake(value.Path, $"{value.Claim} {claim.Taken}: ask for {claim.Lasting} beside it or instead");
    }

    private static PolicyMistake? Reach(AskedValue value, IssuerPreset? preset)
    {
        var claim = preset?.Claims.GetValueOrDefault(value.Claim);
        if (preset is not null && (value.Claim == preset.Tenant || claim is { IsReusable: false, Fact: { } fact } && fact.EndsWith("_id", StringComparison.Ordinal)))
            return new PolicyMistake(value.Path, $"{value.Claim} is an id: a pattern over it lets strangers in whose ids happen to look so");
        var segments = value.Text.Split(':', '/');
        if (claim?.TenantSegment is { } tenant && tenant < segments.Length && segments[tenant].Contains('*', StringComparison.Ordinal))
            return new PolicyMistake(value.Path, $"the * in {segments[tenant]} stands where the owner does: others can choose names that it matches");
        if (value.Claim == "sub" && preset?.Name == "github" && value.Text.Count(static c => c == ':') == 2 && value.Text.EndsWith(":*", StringComparison.Ordinal))
            return new PolicyMistake(value.Path, "* never crosses : or /: this matches pull_request and nothing else; name the ref or environment");
        return value.Text is "refs/*" or "refs/heads*"
            ? new PolicyMistake(value.Path, "* never crosses : or /: this matches no branch; write refs/heads/*, and remember feature/x")
            : null;
    }

    private static IEnumerable<PolicyMistake> Missing(JsonElement policy, IssuerPreset preset, AskedClaims asked)
    {
        var hasTenant = preset.Tenant == IssuerPreset.TenantInIssuer || preset.IsTenantAsked(asked.Contains);
        if (!hasTenant)
            yield return new PolicyMistake("claims", $"asks for no {preset.Tenant}: {preset.Title} has many owners, and that says which ({preset.Claims[preset.Tenant].Means})");
        else if (!preset.Place.Any(asked.Contains) && !asked.Contains("sub"))
            yield return new PolicyMistake("claims", $"lets in everything of the owner: ask for {string.Join(" or ", preset.Place)}");

        if (preset.Untrusted is not { } untrusted) yield break;
        foreach (var value in asked.Values.Where(value => Stranger(value, untrusted)))
            yield return new PolicyMistake(value.Path, $"{value.Text}: such runs may do what a stranger wrote");
        if (IsMoreThanLooking(policy) && untrusted.Values.Count > 0 && !untrusted.SettledBy.Append(untrusted.Claim).Any(asked.Contains))
            yield return new PolicyMistake(
                "claims", $"runs that a stranger wrote match too ({untrusted.Claim}: {string.Join(", ", untrusted.Values)}): ask for {string.Join(" or ", untrusted.SettledBy.Where(static claim => claim != "sub"))}");
    }

    private static bool Stranger(AskedValue value, UntrustedWork untrusted) =>
        (value.Claim == untrusted.Claim && untrusted.Values.Contains(value.Text, StringComparer.Ordinal))
        || (value.Claim == "sub" && untrusted.Values.Any(one => value.Text.EndsWith(":" + one, StringComparison.Ordinal)));

    private static bool IsMoreThanLooking(JsonElement policy) =>
        policy.TryGetProperty("allow", out var allow) && allow.ValueKind == JsonValueKind.Object
        && (allow.TryGetProperty("audiences", out _)
            || (allow.TryGetProperty("roles", out var roles) && roles.ValueKind == JsonValueKind.Array && roles.EnumerateArray().Any(static role => role.ToString() != "viewer")));

    private static IEnumerable<PolicyMistake> InName(JsonElement policy, IssuerPreset? preset)
    {
        if (TextOf(policy, "principal") is not { } template) yield break;
        foreach (Match match in Claims().Matches(template))
            if (match.Groups[1].Value is var name && name != "sub" && IssuerPresets.Reusable(name, preset) is { } claim)
                yield return new PolicyMistake("principal", $"is made of {name}, which {claim.Taken}: use {{{claim.Lasting}}}");
    }

    private static string? TextOf(JsonElement policy, string name) =>
        policy.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    [GeneratedRegex(@"(?<!\{)\{([A-Za-z0-9_]+)\}")]
    private static partial Regex Claims();
}
