using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Lanyard.Identity.Jose;

namespace Lanyard.Identity.Tokens;

/// <summary>
/// A DPoP proof (RFC 9449 §4): the caller shows that it holds a private key, for one request. That each proof is used once only is for whoever calls to see to.
/// </summary>
/// <param name="Thumbprint">RFC 7638, of the key; what <c>cnf.jkt</c> holds.</param>
/// <param name="TokenId">Its <c>jti</c>.</param>
public sealed record DpopProof(string Thumbprint, string TokenId, DateTimeOffset IssuedAt)
{
    public const string Type = "dpop+jwt";

    /// <summary>Around the server's clock; a proof is made for the request that carries it.</summary>
    public static readonly TimeSpan Window = TimeSpan.FromSeconds(60);

    private const int MaxTokenId = 128;
    private const int MaxSize = 8 * 1024;

    /// <summary>The twelve checks of RFC 9449 §4.3, but for the one use and the nonce.</summary>
    /// <param name="url">Of the request; query and fragment do not count.</param>
    /// <param name="accessToken">The token that came with it, or null at a token endpoint.</param>
    public static Outcome<DpopProof> Verify(string proof, string method, string url, string? accessToken, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(proof);
        if (proof.Length > MaxSize) return Bad($"{proof.Length} characters; at most {MaxSize}");
        if (!KeyOf(proof).TryGet(out var key, out var refusal)) return refusal;
        if (!CompactJws.Verify(proof, KeySet.Of(key)).TryGet(out var payload, out refusal)) return Bad(refusal.Detail);
        if (!ClaimSet.Parse(payload).TryGet(out var claims, out refusal)) return Bad(refusal.Detail);
        if (!claims.TryGetString("jti", out var id) || id.Length is 0 or > MaxTokenId) return Bad($"jti: 1 to {MaxTokenId} characters");
        if (!claims.TryGetString("htm", out var htm) || htm != method) return Bad($"htm is not {method}");
        if (!claims.TryGetString("htu", out var htu) || !IsSame(htu, url)) return Bad($"htu is not {url}");
        if (!claims.TryGetInt64("iat", out var seconds) || Math.Abs((double)seconds - now.ToUnixTimeSeconds()) > Window.TotalSeconds) return Bad("iat is not now");
        if (accessToken is not null && (!claims.TryGetString("ath", out var ath) || ath != HashOf(accessToken))) return Bad("ath is not the hash of the token");
        return new DpopProof(key.Thumbprint, id, DateTimeOffset.FromUnixTimeSeconds(seconds));
    }

    /// <summary>What <c>ath</c> holds of a token.</summary>
    public static string HashOf(string accessToken) => Base64Url.Encode(SHA256.HashData(Encoding.ASCII.GetBytes(accessToken)));

    /// <summary>The one place where a key comes out of a header: it proves nothing but that its holder made this proof.</summary>
    private static Outcome<VerificationKey> KeyOf(string proof)
    {
        var dot = proof.IndexOf('.', StringComparison.Ordinal);
        if (dot <= 0 || Base64Url.Decode(Encoding.UTF8.GetBytes(proof[..dot])) is not { } header) return Bad("not a compact JWS");
        if (JwsHeader.Read(header, out var read) is { } refusal) return Bad(refusal.Detail);
        if (!string.Equals(read.Type, Type, StringComparison.OrdinalIgnoreCase)) return Bad($"typ is not {Type}");
        using var document = JsonDocument.Parse(header);
        if (!document.RootElement.TryGetProperty("jwk", out var jwk) || jwk.ValueKind != JsonValueKind.Object) return Bad("no jwk");
        return VerificationKey.FromJwk(jwk).TryGet(out var key, out refusal) ? key : Bad(refusal.Detail);
    }

    private static bool IsSame(string stated, string url) =>
        Uri.TryCreate(stated, UriKind.Absolute, out var a) && Uri.TryCreate(url, UriKind.Absolute, out var b)
        && Uri.Compare(a, b, UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped, StringComparison.Ordinal) == 0;

    private static Refusal Bad(string detail) => new(RefusalReason.ProofInvalid, $"the DPoP proof: {detail}");
}
