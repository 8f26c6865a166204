using Lanyard.ClusterProxy.Impersonation;
using Lanyard.Identity;
using Lanyard.Identity.Tokens;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary>
/// Owns the way from a token's text to the user it impersonates: the one chain (design: steps 1 to 8), then claim mapping and reserved names
/// (step 9). A token that was judged twice is remembered by its SHA-256 until it expires or the configuration or keys change. Knows nothing of HTTP.
/// </summary>
/// <param name="introspection">Asked about tokens of its issuers each time, whatever is remembered; null: of none.</param>
internal sealed class TokenAuthentication(TokenVerifier verifier, KeyLookup keys, AuthenticationRules rules, TimeProvider time, TokenIntrospection? introspection = null)
{
    private const int Remembered = 100_000;

    /// <summary>Every record has audiences of its own; this one is nobody's.</summary>
    private static readonly VerifyOptions Options = new() { DefaultAudience = "urn:lanyard:no-audience", ClockSkew = TimeSpan.FromSeconds(30) };

    private readonly RememberedTokens<Admitted> _remembered = new(Remembered, time);
    private readonly Sightings _sightings = new();
    private AuthenticationRules _rules = rules;

    /// <summary>New rules hold for the next request, also for tokens that were judged before.</summary>
    public void Replace(AuthenticationRules rules)
    {
        Volatile.Write(ref _rules, rules);
        _remembered.Forget();
    }

    /// <summary>Keys or liveness changed: every token is judged anew.</summary>
    public void Forget() => _remembered.Forget();

    public ValueTask<Outcome<ImpersonationHeaders>> AuthenticateAsync(BearerToken bearer, CancellationToken cancellation) =>
        _remembered.TryGet(bearer.Hash, out var known) && known.Asked is null ? new(known.Headers) : AdmitAsync(known, bearer, cancellation);

    /// <param name="trace">Collects every step for <c>lanyard explain</c>.</param>
    public async ValueTask<Outcome<ImpersonationHeaders>> JudgeAsync(string text, Trace? trace, CancellationToken cancellation) =>
        (await JudgeAsync(UnverifiedToken.Parse(text, trace), trace, cancellation)).TryGet(out var admitted, out var refusal) ? admitted.Headers : refusal;

    private async ValueTask<Outcome<ImpersonationHeaders>> AdmitAsync(Admitted? known, BearerToken bearer, CancellationToken cancellation)
    {
        if (known is null && !(await JudgeAsync(UnverifiedToken.Parse(bearer.Letters, bearer.Hash), null, cancellation)).TryGet(out known, out var refusal))
        {
            return refusal;
        }

        return known.Asked is { } issuer && await introspection!.RefuseAsync(issuer, bearer, cancellation) is { } ended ? ended : known.Headers;
    }

    private async ValueTask<Outcome<Admitted>> JudgeAsync(Outcome<UnverifiedToken> parsed, Trace? trace, CancellationToken cancellation)
    {
        var epoch = _remembered.Epoch;
        var rules = Volatile.Read(ref _rules);
        if (!parsed.TryGet(out var unverified, out var refusal))
        {
            return refusal;
        }

        if (!(await verifier.JudgeAsync(unverified, rules.Issuers, keys, Options, trace, cancellation)).TryGet(out var token, out refusal))
        {
            return refusal;
        }

        var outcome = Resolve(token, rules);
        if (outcome.TryGet(out var headers, out refusal))
        {
            trace?.Pass(Stage.Policy, $"user {headers.User.Name}, groups {string.Join(", ", headers.User.Groups)}");
            var admitted = new Admitted(headers, introspection?.Knows(token.Issuer) == true ? token.Issuer : null);
            if (_sightings.Again(token.Sha256))
            {
                _remembered.Remember(token.Sha256, admitted, token.ExpiresAt, epoch);
            }

            return admitted;
        }

        trace?.Refuse(refusal);
        return refusal;
    }

    private static Outcome<ImpersonationHeaders> Resolve(VerifiedToken token, AuthenticationRules rules)
    {
        if (!rules.UserOf(token).TryGet(out var user, out var refusal))
        {
            return refusal;
        }

        return rules.Reserved.Judge(user) is { } reserved ? reserved : ImpersonationHeaders.Create(user);
    }

    /// <param name="Asked">The issuer that is asked about the token each time; null: nobody is.</param>
    private sealed record Admitted(ImpersonationHeaders Headers, string? Asked);
}
