using Lanyard.Identity;
using Lanyard.Identity.Tokens;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Federation;

/// <summary>A key that the caller showed to hold.</summary>
/// <param name="Thumbprint">RFC 7638; null: it showed none.</param>
internal readonly record struct ProvenKey(string? Thumbprint);

/// <summary>
/// DPoP (RFC 9449) at our doors: a token that is bound to a key is taken with a proof by that key only, and each proof once, on whatever replica. Tokens of policies
/// that ask for no more are not looked at twice.
/// </summary>
internal sealed class Possession(TokenMemory memory, Instance instance, TimeProvider time)
{
    private const string Header = "DPoP";

    /// <summary>At a token endpoint: the key that the token is to be bound to.</summary>
    public async ValueTask<Outcome<ProvenKey>> ProvenAsync(HttpContext context, string? accessToken)
    {
        var sent = context.Request.Headers[Header];
        if (sent.Count == 0) return default(ProvenKey);
        if (sent.Count > 1 || sent[0] is not { } text) return new Refusal(RefusalReason.ProofInvalid, "more than one DPoP header");
        var request = context.Request;
        if (!DpopProof.Verify(text, request.Method, instance.Url + request.Path, accessToken, time.GetUtcNow()).TryGet(out var proof, out var refusal)) return refusal;
        return await memory.TryUseAsync($"dpop {proof.Thumbprint} {proof.TokenId}", proof.IssuedAt + DpopProof.Window + DpopProof.Window, context.RequestAborted)
            ? new ProvenKey(proof.Thumbprint)
            : new Refusal(RefusalReason.ProofInvalid, "the DPoP proof was used before");
    }

    /// <summary>May this principal come in with the token as it was shown?</summary>
    /// <returns>Null where it may.</returns>
    public ValueTask<Refusal?> CheckAsync(HttpContext context, Principal principal, string token)
    {
        var isBound = Bearer.BoundOf(context.Request) is not null;
        if (principal.Confirmation is null && !isBound && !principal.HasTerms) return ValueTask.FromResult<Refusal?>(null);
        if (principal.TokenId is null && principal.Facets.Any(static facet => facet.Terms is { IsOnce: true }))
            return ValueTask.FromResult<Refusal?>(new Refusal(RefusalReason.TokenTypeNotAllowed, "its policy lets the token be exchanged once; it is no bearer by itself"));
        if (principal.Confirmation is { } thumbprint) return CheckAsync(context, thumbprint, token);
        if (isBound) return ValueTask.FromResult<Refusal?>(new Refusal(RefusalReason.ProofInvalid, "the token is bound to no key"));
        return ValueTask.FromResult<Refusal?>(principal.Facets.Any(static facet => facet.Terms is { NeedsProof: true })
            ? new Refusal(RefusalReason.ProofInvalid, "its policy asks for tokens that are bound to a key")
            : null);
    }

    private async ValueTask<Refusal?> CheckAsync(HttpContext context, string thumbprint, string token)
    {
        if (Bearer.BoundOf(context.Request) is null) return new Refusal(RefusalReason.ProofInvalid, "the token is bound to a key and was shown as a bearer");
        if (!(await ProvenAsync(context, token)).TryGet(out var proven, out var refusal)) return refusal;
        return proven.Thumbprint == thumbprint ? null : new Refusal(RefusalReason.ProofInvalid, proven.Thumbprint is null ? "no DPoP header" : "the proof is by another key than the token's");
    }
}
