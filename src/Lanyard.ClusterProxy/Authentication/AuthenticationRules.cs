using Lanyard.ClusterProxy.AccessEntries;
using Lanyard.ClusterProxy.Impersonation;
using Lanyard.Identity;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Tokens;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary>Everything that decides who a token becomes; immutable, so that a reload swaps it whole.</summary>
/// <param name="entries">When given, they alone say who gets in and as whom; the claim mappings of the authenticators are not used.</param>
internal sealed class AuthenticationRules(IReadOnlyList<JwtAuthenticator> authenticators, IReadOnlyList<AccessEntry>? entries, ReservedNames reserved)
{
    private readonly Dictionary<string, JwtAuthenticator> _byRecord = authenticators.ToDictionary(a => a.Issuer.Id, StringComparer.Ordinal);

    public IReadOnlyList<TrustedIssuer> Issuers { get; } = [.. authenticators.Select(a => a.Issuer)];

    public ReservedNames Reserved { get; } = reserved;

    /// <summary>What every user gets besides.</summary>
    public IReadOnlyList<ExtraValue> Extras { get; init; } = [];

    /// <summary>The user validation rules of the issuer hold whoever made the user: its claim mappings or an access entry.</summary>
    public Outcome<KubernetesUser> UserOf(VerifiedToken token)
    {
        var authenticator = _byRecord[token.TrustRecordId];
        var outcome = entries is null ? ClaimMapper.Map(token, authenticator) : ByEntry(token, entries);
        if (!outcome.TryGet(out var user, out _))
        {
            return outcome;
        }

        return UserRules.Judge(user, authenticator.Expressions.UserRules) is { } refusal ? refusal
            : Extras.Count == 0 ? user
            : user with { Extras = [.. user.Extras, .. Extras] };
    }

    private static Outcome<KubernetesUser> ByEntry(VerifiedToken token, IReadOnlyList<AccessEntry> entries)
    {
        var why = new List<string>();
        foreach (var entry in entries)
        {
            if (entry.Mismatch(token) is not { } mismatch)
            {
                return entry.UserOf(token);
            }

            if (entry.Issuer == token.Issuer && why.Count < 10)
            {
                why.Add($"{entry.Name}: {mismatch}");
            }
        }

        return new Refusal(RefusalReason.NoMatchingPolicy, $"no access entry is for this token ({string.Join("; ", why)})");
    }
}
