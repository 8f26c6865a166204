using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;

namespace Lanyard.Identity.Tokens;

/// <summary>A token, verified under every record that vouches for it.</summary>
/// <param name="Tokens">At least one, in the records' order.</param>
/// <param name="IsComplete">False: the keys of a further record are still being fetched; asked again, it may vouch too.</param>
public sealed record JudgedToken(IReadOnlyList<VerifiedToken> Tokens, bool IsComplete);

public sealed partial class TokenVerifier
{
    /// <summary>How long a token that one record already vouches for waits for the keys of others: a slow issuer of a stranger's must not slow it down.</summary>
    private static readonly TimeSpan PatienceForOthers = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Judges a token against every record with its issuer string, for doors where several owners have a record each: one's yes or no says nothing about
    /// another's. Keys that do not have the token's <c>kid</c> are fetched anew where the record allows it. At most 16 different keys are tried. Where no
    /// record vouches, the refusal that got furthest along the chain is answered.
    /// </summary>
    /// <param name="candidates">Trust records; those of other issuers are passed over.</param>
    public async ValueTask<Outcome<JudgedToken>> JudgeAllAsync(
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
        var judging = new Judging(this, token, options, trace);
        var lacking = new List<TrustedIssuer>();
        foreach (var record in WithIssuer(token, candidates))
        {
            var lookup = await keys(record, null, cancellationToken);
            if (lookup.IsRefused || LacksKeyOf(token, lookup.Value)) lacking.Add(record);
            else judging.Judge(record, lookup);
        }

        var isComplete = lacking.Count == 0 || await JudgeFreshAsync(judging, lacking, token.KeyId ?? "", keys, cancellationToken);
        return judging.Found.Count > 0 ? new JudgedToken(judging.Found, isComplete) : judging.Furthest(trace);
    }

    /// <returns>False where the keys of a record did not come in time.</returns>
    private async Task<bool> JudgeFreshAsync(Judging judging, List<TrustedIssuer> records, string keyId, KeyLookup keys, CancellationToken cancellationToken)
    {
        var lookups = records.ConvertAll(record => keys(record, keyId, cancellationToken).AsTask());
        var all = Task.WhenAll(lookups);
        try
        {
            await (judging.Found.Count == 0 ? all : all.WaitAsync(PatienceForOthers, time, cancellationToken));
        }
        catch (TimeoutException) when (!all.IsCompleted)
        {
            // Who is late is asked again next time.
        }

        for (var i = 0; i < records.Count; i++)
        {
            if (lookups[i].IsCompletedSuccessfully) judging.Judge(records[i], await lookups[i]);
        }

        return all.IsCompleted;
    }

    /// <summary>One token before several records.</summary>
    private sealed class Judging(TokenVerifier verifier, UnverifiedToken token, VerifyOptions options, Trace? trace)
    {
        private readonly SignatureMemo _memo = new();
        private Refusal? _furthest;

        public List<VerifiedToken> Found { get; } = [];

        public void Judge(TrustedIssuer record, Outcome<KeySet> keys)
        {
            if (keys.IsRefused) trace?.Refuse(keys.Refusal);
            var outcome = keys.IsRefused ? keys.Refusal : verifier.Verify(token, record, keys.Value, options, trace, _memo);
            if (outcome.IsRefused) _furthest = Further(_furthest, outcome.Refusal);
            else Found.Add(outcome.Value);
        }

        /// <summary>Why no record vouches.</summary>
        public Refusal Furthest(Trace? trace)
        {
            if (_furthest is not null) return _furthest;
            var unknown = new Refusal(RefusalReason.IssuerUnknown, $"no trust record is for the issuer \"{Printable.Of(token.Issuer)}\"");
            trace?.Refuse(unknown);
            return unknown;
        }
    }
}
