using Lanyard.Identity;
using Lanyard.Identity.Tokens;
using Lanyard.Server.Federation;
using Lanyard.Server.Http;

namespace Lanyard.Server.Exchange;

/// <summary>On which terms policies let their principals exchange: with a proof, no more often than so, once. The same ones for a subject and for whoever acts for it.</summary>
internal sealed class ExchangeTerms(TokenMemory memory, PrincipalRates rates)
{
    /// <summary>A token that is bound to a key is exchanged by its holder only; a policy may ask for the binding from the first exchange on.</summary>
    /// <param name="proven">Thumbprint of the key that the caller showed to hold; null: none.</param>
    public Refusal? Check(Principal principal, string? proven)
    {
        if (principal.Confirmation is { } bound && bound != proven) return new Refusal(RefusalReason.ProofInvalid, $"the token of {principal.Name} is bound to a key that the caller did not show");
        if (!principal.HasTerms) return null;
        if (proven is null && principal.Facets.Any(static facet => facet.Terms is { NeedsProof: true }))
            return new Refusal(RefusalReason.ProofInvalid, $"the policy of {principal.Name} asks for tokens that are bound to a key, and no DPoP proof was sent");
        return rates.TryTake(principal) ? null : new Refusal(RefusalReason.TooManyRequests, $"{principal.Name} exchanges more often than its policy lets it");
    }

    /// <summary>Where a policy says so, a workload's token is good for one exchange, on whatever replica: by its <c>jti</c>, or by the hash of what is signed, because an ECDSA signature has two spellings.</summary>
    public async ValueTask<Refusal?> UseUpAsync(Principal principal, string presented, CancellationToken cancellation)
    {
        if (principal.TokenId is not null || !principal.HasTerms || !principal.Facets.Any(static facet => facet.Terms is { IsOnce: true })) return null;
        var token = UnverifiedToken.Parse(presented).Value;
        var name = token.Claims.TryGetString(ClaimNames.TokenId, out var id) && token.Claims.TryGetString(ClaimNames.Issuer, out var issuer)
            ? $"{issuer} {id}"
            : token.SignedHash().ToString();
        return await memory.TryUseAsync($"once {name}", principal.ExpiresAt + TokenVerifier.MaxClockSkew, cancellation)
            ? null
            : new Refusal(RefusalReason.Replayed, $"the policy of {principal.Name} lets the token be exchanged once");
    }
}
