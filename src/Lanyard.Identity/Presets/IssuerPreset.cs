namespace Lanyard.Identity.Presets;

/// <summary>What is known of a kind of issuer: one file in <c>Presets/Data</c> each.</summary>
/// <param name="Name">The file's, such as <c>github</c>.</param>
/// <param name="Issuers">Forms of its <c>iss</c>; <c>{name}</c> stands for anything without a slash.</param>
/// <param name="Subjects">Forms of its <c>sub</c>, for people.</param>
/// <param name="Tenant">The claim that tells its owners apart for ever; <see cref="TenantInIssuer"/> where <c>iss</c> or its keys do.</param>
/// <param name="Place">Claims of which a rule should ask for one, besides the tenant.</param>
/// <param name="Principal">Template of the principal's name.</param>
/// <param name="Untrusted">How work is told that a stranger may have written; null where there is none.</param>
/// <param name="Claims">By name or path.</param>
public sealed record IssuerPreset(
    string Name, string Title, IReadOnlyList<string> Issuers, IReadOnlyList<string> Subjects, string Tenant, IReadOnlyList<string> Place, string Principal,
    UntrustedWork? Untrusted, IReadOnlyDictionary<string, PresetClaim> Claims)
{
    public const string TenantInIssuer = "issuer";

    /// <summary>From the words of the one vocabulary (<see cref="IssuerPresets.Vocabulary"/>) to this issuer's claims.</summary>
    public IReadOnlyDictionary<string, string> Facts { get; } =
        Claims.Values.Where(static claim => claim.Fact is not null).ToDictionary(static claim => claim.Fact!, static claim => claim.Name, StringComparer.Ordinal);

    /// <summary>Whether a rule says which of the issuer's owners it means: by the id, or by a name that is never given to another.</summary>
    internal bool IsTenantAsked(Func<string, bool> asks) =>
        Tenant != TenantInIssuer && (asks(Tenant) || (Facts.GetValueOrDefault("tenant") is { } name && !Claims[name].IsReusable && asks(name)));

    /// <summary>Whether an <c>iss</c> has one of the forms.</summary>
    public bool Knows(string issuer) => Issuers.Any(form => Fits(form, issuer));

    /// <summary>Whether it has one that no other kind of issuer has.</summary>
    internal bool Owns(string issuer) => Issuers.Any(form => form != "https://{host}" && Fits(form, issuer));

    private static bool Fits(ReadOnlySpan<char> form, ReadOnlySpan<char> issuer)
    {
        while (form.Length > 0)
        {
            if (form[0] != '{')
            {
                if (issuer.Length == 0 || issuer[0] != form[0]) return false;
                form = form[1..];
                issuer = issuer[1..];
                continue;
            }

            form = form[(form.IndexOf('}') + 1)..];
            var end = issuer.IndexOf('/');
            var most = end < 0 ? issuer.Length : end;
            for (var length = most; length > 0; length--)
                if (Fits(form, issuer[length..])) return true;
            return false;
        }

        return issuer.Length == 0;
    }
}

/// <param name="Means">For people.</param>
/// <param name="IsReusable">Another owner can come to have the same value.</param>
/// <param name="Lasting">Of a reusable one: the claim to ask for instead or beside it.</param>
/// <param name="Taken">Of a reusable one: how another comes to have the same value, as what follows the claim's name.</param>
/// <param name="LastingForm">A glob over the first two segments of a value; such a value holds ids and lasts.</param>
/// <param name="TenantSegment">Which segment of the value, from 0, names the tenant; null: none does.</param>
/// <param name="Fact">Its word in the one vocabulary; null: it has none.</param>
public sealed record PresetClaim(string Name, string Means, bool IsReusable, string? Lasting, string Taken, string? LastingForm, int? TenantSegment, string? Fact);

/// <summary>Work that a stranger may have written: a pull request, a fork.</summary>
/// <param name="Claim">What tells it.</param>
/// <param name="Values">Its values for such work; empty where no value says so for sure.</param>
/// <param name="SettledBy">A rule that asks for one of these lets only work in that it names.</param>
public sealed record UntrustedWork(string Claim, IReadOnlyList<string> Values, IReadOnlyList<string> SettledBy);
