using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;

namespace Lanyard.Identity.Tokens;

/// <summary>Brings the keys of a record.</summary>
/// <param name="keyId">A kid that the caller needs and that the known keys may not have yet; null takes what is known.</param>
public delegate ValueTask<Outcome<KeySet>> KeyLookup(TrustedIssuer issuer, string? keyId, CancellationToken cancellationToken);

/// <summary>A token, verified under every record that vouches for it.</summary>
/// <param name="Tokens">At least one, in the records' order.</param>
/// <param name="IsComplete">False: the keys of a further record are still being fetched; asked again, it may vouch too.</param>
public sealed record JudgedToken(IReadOnlyList<VerifiedToken> Tokens, bool IsComplete);

public sealed partial class TokenVerifier
{
    /// <summary>How long a token that one record already vouches for waits for the keys of others: a slow issuer of a stranger's must not slow it down.</summary>
    private static readonly TimeSpan PatienceForOthers = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Judges a token against the records with its issuer string until one vouches for it: first those whose known keys have its <c>kid</c>, then those
    /// whose keys may have changed. At most 16 different keys are tried. Where none vouches, the refusal that got furthest along the chain is answered.
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

        // One record that knows the key is the usual case, and needs none of the book-keeping that several do.
        if (candidates is [var only] && token.IsFrom(only.Issuer)
            && (await keys(only, null, cancellationToken)).TryGet(out var known, out _) && !LacksKeyOf(token, known))
        {
            return Verify(token, only, known, options, trace);
        }

        var judged = await BeforeRecordsAsync(new Judging(this, token, options, trace, one: true), candidates, keys, cancellationToken);
        return judged.IsRefused ? judged.Refusal : judged.Value.Tokens[0];
    }

    /// <summary>
    /// The same against every record with its issuer string, for doors where several owners have a record each: one's yes or no says nothing about
    /// another's. Keys that do not have the token's <c>kid</c> are fetched anew where the record allows it.
    /// </summary>
    /// <param name="candidates">Trust records; those of other issuers are passed over.</param>
    public ValueTask<Outcome<JudgedToken>> JudgeAllAsync(
        UnverifiedToken token,
        IReadOnlyList<TrustedIssuer> candidates,
        KeyLookup keys,
        VerifyOptions options,
        Trace? trace = null,
        CancellationToken cancellationToken = default) =>
        BeforeRecordsAsync(new Judging(this, token, options, trace, one: false), candidates, keys, cancellationToken);

    private async ValueTask<Outcome<JudgedToken>> BeforeRecordsAsync(
        Judging judging, IReadOnlyList<TrustedIssuer> candidates, KeyLookup keys, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(candidates);
        ArgumentNullException.ThrowIfNull(keys);
        var token = judging.Token;
        List<TrustedIssuer>? lacking = null;
        for (var i = 0; i < candidates.Count && !judging.IsDone; i++)
        {
            var record = candidates[i];
            if (!token.IsFrom(record.Issuer)) continue;
            var lookup = await keys(record, null, cancellationToken);
            if (lookup.IsRefused || LacksKeyOf(token, lookup.Value)) (lacking ??= []).Add(record);
            else judging.Judge(record, lookup);
        }

        var isComplete = lacking is null || judging.IsDone || await JudgeFreshAsync(judging, lacking, keys, cancellationToken);
        return judging.Found.Count > 0 ? new JudgedToken(judging.Found, isComplete) : judging.Furthest();
    }

    /// <returns>False where the keys of a record did not come in time.</returns>
    private async Task<bool> JudgeFreshAsync(Judging judging, List<TrustedIssuer> records, KeyLookup keys, CancellationToken cancellationToken)
    {
        var keyId = judging.Token.KeyId ?? "";
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

        for (var i = 0; i < records.Count && !judging.IsDone; i++)
        {
            if (lookups[i].IsCompletedSuccessfully) judging.Judge(records[i], await lookups[i]);
        }

        return all.IsCompleted;
    }

    /// <summary>Whether the token names a key that is not among these.</summary>
    private static bool LacksKeyOf(UnverifiedToken token, KeySet keys) =>
        token.HasKeyId && keys.Find(token.ReadKeyId(stackalloc byte[JwsHeader.MaxKeyIdLength])) is null;

    private static Refusal Further(Refusal? furthest, Refusal refusal) => furthest is null || refusal.Stage > furthest.Stage ? refusal : furthest;

    /// <summary>One token before several records.</summary>
    /// <param name="one">Whether the first record that vouches is enough.</param>
    private sealed class Judging(TokenVerifier verifier, UnverifiedToken token, VerifyOptions options, Trace? trace, bool one)
    {
        private readonly SignatureMemo _memo = new();
        private Refusal? _furthest;

        public UnverifiedToken Token { get; } = token ?? throw new ArgumentNullException(nameof(token));

        public List<VerifiedToken> Found { get; } = [];

        public bool IsDone => one && Found.Count > 0;

        public void Judge(TrustedIssuer record, Outcome<KeySet> keys)
        {
            if (keys.IsRefused) trace?.Refuse(keys.Refusal);
            var outcome = keys.IsRefused ? keys.Refusal : verifier.Verify(Token, record, keys.Value, options, trace, _memo);
            if (outcome.IsRefused) _furthest = Further(_furthest, outcome.Refusal);
            else Found.Add(outcome.Value);
        }

        /// <summary>Why no record vouches.</summary>
        public Refusal Furthest()
        {
            if (_furthest is not null) return _furthest;
            var unknown = new Refusal(RefusalReason.IssuerUnknown, $"no trust record is for the issuer \"{Printable.Of(Token.Issuer)}\"");
            trace?.Refuse(unknown);
            return unknown;
        }
    }
}
