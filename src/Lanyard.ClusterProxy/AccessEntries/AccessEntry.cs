using Lanyard.ClusterProxy.Impersonation;
using Lanyard.Identity;
using Lanyard.Identity.Tokens;
using Lanyard.Identity.Trust;

namespace Lanyard.ClusterProxy.AccessEntries;

/// <summary>Values of one extra key.</summary>
internal sealed record ExtraTemplate(string Key, PrincipalTemplate Value);

/// <summary>An entry's words, for people and for RBAC that is made of it.</summary>
/// <param name="Conditions">Claim and its condition as JSON.</param>
internal sealed record EntryText(string Username, IReadOnlyList<string> Groups, IReadOnlyDictionary<string, string> Conditions);

/// <summary>
/// Who becomes what on the cluster: tokens of an issuer whose claims meet the conditions become a user made from templates over the claims.
/// A claim that a template needs and the token lacks is a refusal, never an empty part of a name.
/// </summary>
internal sealed record AccessEntry(string Name, string Issuer, IReadOnlyList<ClaimCondition> Claims, PrincipalTemplate Username)
{
    public PrincipalTemplate? Uid { get; init; }

    /// <summary>As the operator wrote it.</summary>
    public required EntryText Text { get; init; }

    /// <summary>Claims whose value the conditions fix.</summary>
    public required ClaimSet Fixed { get; init; }

    public IReadOnlyList<PrincipalTemplate> Groups { get; init; } = [];

    public IReadOnlyList<ExtraTemplate> Extras { get; init; } = [];

    /// <returns>Null when the entry is for this token, else the first thing that does not fit.</returns>
    public string? Mismatch(VerifiedToken token)
    {
        if (token.Issuer != Issuer)
        {
            return $"it is for {Issuer}";
        }

        foreach (var condition in Claims)
        {
            if (condition.Mismatch(token.Claims) is { } mismatch)
            {
                return mismatch;
            }
        }

        return null;
    }

    public Outcome<KubernetesUser> UserOf(VerifiedToken token)
    {
        if (!Username.Fill(token.Claims).TryGet(out var name, out var refusal)
            || !FillAll(Groups, token.Claims).TryGet(out var groups, out refusal)
            || !FillAll([.. Extras.Select(e => e.Value)], token.Claims).TryGet(out var values, out refusal))
        {
            return refusal;
        }

        var user = new KubernetesUser(name) { Groups = groups, Extras = [.. Extras.Zip(values, (e, v) => new ExtraValue(e.Key, v)), .. KubernetesUser.CredentialOf(token)] };
        if (Uid is null)
        {
            return user;
        }

        return Uid.Fill(token.Claims).TryGet(out var uid, out refusal) ? user with { Uid = uid } : refusal;
    }

    private static Outcome<List<string>> FillAll(IReadOnlyList<PrincipalTemplate> templates, ClaimSet claims)
    {
        var filled = new List<string>(templates.Count);
        foreach (var template in templates)
        {
            if (!template.Fill(claims).TryGet(out var text, out var refusal))
            {
                return refusal;
            }

            filled.Add(text);
        }

        return filled;
    }
}
