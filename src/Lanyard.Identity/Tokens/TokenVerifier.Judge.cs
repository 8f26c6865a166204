using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;

namespace Lanyard.Identity.Tokens;

/// <summary>Brings the keys of a record.</summary>
/// <param name="keyId">A kid that the caller needs and that the known keys may not have yet; null takes what is known.</param>
public delegate ValueTask<Outcome<KeySet>> KeyLookup(TrustedIssuer issuer, string? keyId, CancellationToken cancellationToken);

public sealed partial class TokenVerifier
{
    /// <summary>Records whose keys are tried on one token: many may share an issuer string, and each try costs a signature's check.</summary>
    private const int MaxTriedRecords = 16;

    /// <summary>
    /// Judges a token against every record with its issuer string: first those whose known keys have its <c>kid</c>, and only if there is none, those
    /// whose keys may have changed. At most 16 records are tried. The refusal that got furthest along the chain is the one that is answered.
    /// </summary>
    /// <param name="candidates">Trust records; those of other issuers are passed over.</param>
    public async ValueTask<Outcome<VerifiedToken>> JudgeAsync(
        UnverifiedToken token,
        IReadOnlyList<TrustedIssuer> candidates,
        KeyLookup keys,
        VerifyOptions options,
        Trace? trace = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(token);
        ArgumentNullException.ThrowIfNull(candidates);
        ArgumentNullException.ThrowIfNull(keys);
        var records = WithIssuer(token, candidates);
        if (records.Count == 0)
        {
            var unknown = new Refusal(RefusalReason.IssuerUnknown, $"no trust record is for the issuer \"{Printable.Of(token.Issuer)}\"");
            trace?.Refuse(unknown);
            return unknown;
        }

        var (known, asked) = await TryKnownAsync(token, records, keys, options, trace, cancellationToken);
        if (asked)
        {
            return known;
        }

        return await TryFreshAsync(token, records, keys, options, trace, cancellationToken);
    }

    /// <returns>Whether a record was found whose known keys could have signed, and what came of it.</returns>
    private async ValueTask<(Outcome<VerifiedToken> Outcome, bool Asked)> TryKnownAsync(
        UnverifiedToken token, IReadOnlyList<TrustedIssuer> records, KeyLookup keys, VerifyOptions options, Trace? trace, CancellationToken cancellationToken)
    {
        Refusal? furthest = null;
        var tried = 0;
        foreach (var record in records)
        {
            var lookup = await keys(record, null, cancellationToken);
            if (lookup.IsRefused || LacksKeyOf(token, lookup.Value))
            {
                continue;
            }

            if (++tried > MaxTriedRecords)
            {
                break;
            }

            var outcome = Verify(token, record, lookup.Value, options, trace);
            if (!outcome.IsRefused)
            {
                return (outcome, true);
            }

            furthest = Further(furthest, outcome.Refusal);
        }

        return furthest is null ? (default, false) : (furthest, true);
    }

    private async ValueTask<Outcome<VerifiedToken>> TryFreshAsync(
        UnverifiedToken token, IReadOnlyList<TrustedIssuer> records, KeyLookup keys, VerifyOptions options, Trace? trace, CancellationToken cancellationToken)
    {
        Refusal? furthest = null;
        var keyId = token.KeyId;
        foreach (var record in records)
        {
            var lookup = await keys(record, keyId ?? "", cancellationToken);
            if (lookup.IsRefused)
            {
                trace?.Refuse(lookup.Refusal);
                furthest = Further(furthest, lookup.Refusal);
                continue;
            }

            var outcome = Verify(token, record, lookup.Value, options, trace);
            if (!outcome.IsRefused)
            {
                return outcome;
            }

            furthest = Further(furthest, outcome.Refusal);
        }

        return furthest!;
    }

    private static IReadOnlyList<TrustedIssuer> WithIssuer(UnverifiedToken token, IReadOnlyList<TrustedIssuer> candidates)
    {
        if (candidates.Count == 1 && token.IsFrom(candidates[0].Issuer))
        {
            return candidates;
        }

        var records = new List<TrustedIssuer>();
        foreach (var candidate in candidates)
        {
            if (token.IsFrom(candidate.Issuer))
            {
                records.Add(candidate);
            }
        }

        return records;
    }

    /// <summary>Whether the token names a key that is not among these.</summary>
    private static bool LacksKeyOf(UnverifiedToken token, KeySet keys) =>
        token.HasKeyId && keys.Find(token.ReadKeyId(stackalloc byte[JwsHeader.MaxKeyIdLength])) is null;

    private static Refusal Further(Refusal? furthest, Refusal refusal) => furthest is null || refusal.Stage > furthest.Stage ? refusal : furthest;
}
