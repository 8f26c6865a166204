using System.Text.Json;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Server.Http;

namespace Lanyard.Server.Issuers;

/// <summary>Signs our tokens: API and runtime tokens with the instance's key, identity tokens with the workspace's.</summary>
internal sealed class Mint(KeyRing ring, Instance instance, TimeProvider time)
{
    /// <summary>A token for our own API (RFC 9068): short, and never beyond the subject token.</summary>
    public async ValueTask<string> ApiTokenAsync(Principal principal, string tokenId, DateTimeOffset expires, CancellationToken cancellation)
    {
        var claims = new TokenClaims
        {
            Issuer = instance.Url,
            Subject = principal.Name,
            Audiences = [instance.Url],
            IssuedAt = time.GetUtcNow(),
            ExpiresAt = expires,
            TokenId = tokenId,
        };
        claims.Set(OwnClaims.Kind, KindName(principal.Kind))
            .SetIfPresent(OwnClaims.Id, principal.SubjectId)
            .SetIfPresent(OwnClaims.TrustRecord, principal.TrustRecord);
        if (principal.Policies.Count > 0) claims.Set(OwnClaims.Policies, principal.Policies);
        if (principal.Context.Count > 0) claims.Set(OwnClaims.Context, [.. principal.Context.Select(f => f.ToString())]);
        if (principal.Limits.Count > 0) claims.Set(OwnClaims.Limits, [.. principal.Limits.Select(limit => limit.ToString())]);
        Bind(claims, principal);
        var keys = await ring.GetAsync(KeyRing.InstanceOwner, cancellation);
        return TokenMint.Mint(keys.Active(SignatureAlgorithm.ES256)!, TokenMint.AccessTokenType, claims);
    }

    /// <summary>A run's or machine's token for the runtime API and for exchange: dies with its subject.</summary>
    /// <param name="kind"><see cref="PrincipalKind.Run"/> or <see cref="PrincipalKind.Machine"/>.</param>
    /// <param name="clientClaims">Further claims that the holder's programs want to read; our doors do not look at them.</param>
    public async ValueTask<string> RuntimeTokenAsync(
        PrincipalKind kind, string subjectId, int? attempt, string workspaceId, DateTimeOffset expires, CancellationToken cancellation,
        IReadOnlyDictionary<string, string>? clientClaims = null)
    {
        var claims = new TokenClaims
        {
            Issuer = instance.Url,
            Subject = subjectId,
            Audiences = [instance.RuntimeAudience],
            IssuedAt = time.GetUtcNow(),
            ExpiresAt = expires,
            TokenId = NewTokenId(),
        };
        claims.Set(OwnClaims.Kind, KindName(kind)).Set(ClaimNames.WorkspaceId, workspaceId);
        if (attempt is { } number) claims.Set(ClaimNames.Attempt, number);
        foreach (var (name, value) in clientClaims ?? new Dictionary<string, string>()) claims.Set(name, value);
        var keys = await ring.GetAsync(KeyRing.InstanceOwner, cancellation);
        return TokenMint.Mint(keys.Active(SignatureAlgorithm.ES256)!, TokenMint.AccessTokenType, claims);
    }

    /// <summary>An identity token for an outside audience, signed by the workspace's issuer.</summary>
    /// <param name="algorithm">RS256 or ES256.</param>
    public async ValueTask<string> IdentityTokenAsync(string workspaceId, SignatureAlgorithm algorithm, TokenClaims claims, CancellationToken cancellation)
    {
        var keys = await ring.GetAsync(workspaceId, cancellation);
        return TokenMint.Mint(keys.Active(algorithm)!, TokenMint.JwtType, claims);
    }

    /// <summary>To whose key a token is bound (RFC 9449 §6.1), who acts with it (RFC 8693 §4.1), and of which tokens it comes.</summary>
    public static void Bind(TokenClaims claims, Principal principal)
    {
        if (principal.Confirmation is { } thumbprint) claims.Set("cnf", Json($$"""{"jkt":"{{thumbprint}}"}"""));
        if (principal.Origin.Count > 0) claims.Set(OwnClaims.Origin, principal.Origin);
        if (principal.ActorJson is { } actor) claims.Set("act", Json(actor));
    }

    private static JsonElement Json(string text)
    {
        using var document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }

    /// <summary>128 random bits: enough that two tokens never share one.</summary>
    public static string NewTokenId()
    {
        Span<byte> bytes = stackalloc byte[16];
        UniqueBytes.Fill(bytes);
        return Base64Url.Encode(bytes);
    }

    public static string KindName(PrincipalKind kind) => kind switch
    {
        PrincipalKind.Admin => "admin",
        PrincipalKind.Policy => "policy",
        PrincipalKind.Runner => "runner",
        PrincipalKind.Run => "run",
        PrincipalKind.Machine => "machine",
        PrincipalKind.Workflow => "workflow",
        PrincipalKind.Pod => "pod",
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };
}
