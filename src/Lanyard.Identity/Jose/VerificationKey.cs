using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Lanyard.Identity.Jose;

/// <summary>
/// A public key that passed <see cref="JwkReader"/>: strong enough, meant for signatures, with nothing private in it.
/// One object is shared by all threads; the native handle frees itself when the last user is gone.
/// </summary>
public sealed class VerificationKey
{
    private readonly RSA? _rsa;
    private readonly ECDsa? _ecdsa;
    private readonly byte[] _keyIdUtf8;
    private readonly KeyMaterial _material;

    private VerificationKey(KeyMaterial material, string? keyId, SignatureAlgorithm? algorithm, RSA? rsa, ECDsa? ecdsa)
    {
        _material = material;
        _rsa = rsa;
        _ecdsa = ecdsa;
        _keyIdUtf8 = keyId is null ? [] : Encoding.UTF8.GetBytes(keyId);
        KeyId = keyId;
        Algorithm = algorithm;
        Thumbprint = material.Thumbprint();
    }

    /// <summary>The JWK's <c>kid</c>; null when it has none.</summary>
    public string? KeyId { get; }

    /// <summary>The one algorithm of this key: its <c>alg</c>, or by the curve. Null only for an RSA key without <c>alg</c>.</summary>
    public SignatureAlgorithm? Algorithm { get; }

    /// <summary>RFC 7638, SHA-256.</summary>
    public string Thumbprint { get; }

    public bool IsRsa => _rsa is not null;

    internal ReadOnlySpan<byte> KeyIdUtf8 => _keyIdUtf8;

    /// <summary>Reads one JWK (RFC 7517). Everything that <see cref="JwkReader"/> finds weak or odd is a refusal.</summary>
    public static Outcome<VerificationKey> FromJwk(JsonElement jwk) => JwkReader.Read(jwk);

    /// <returns>False for a bad signature, and for an algorithm that is not this key's.</returns>
    public bool TryVerify(SignatureAlgorithm algorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
    {
        if (algorithm.IsRsa() != IsRsa || (Algorithm is { } own && own != algorithm) || signature.Length != _material.SignatureLength)
        {
            return false;
        }

        Span<byte> hash = stackalloc byte[SignatureAlgorithms.MaxHashSize];
        hash = hash[..algorithm.Hash(data, hash)];
        if (_ecdsa is not null)
        {
            // Without a format it is IEEE P1363, which JOSE uses, and one copy less.
            return _ecdsa.VerifyHash(hash, signature);
        }

        var padding = algorithm.IsPss() ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1;
        return _rsa!.VerifyHash(hash, signature, algorithm.HashName(), padding);
    }

    /// <summary>The JWK with its public members only, in a fixed order.</summary>
    public void WriteTo(Utf8JsonWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteStartObject();
        if (Algorithm is { } algorithm)
        {
            writer.WriteString("alg"u8, algorithm.Name());
        }

        _material.WriteMembers(writer);
        if (KeyId is not null)
        {
            writer.WriteString("kid"u8, KeyId);
        }

        writer.WriteString("use"u8, "sig"u8);
        writer.WriteEndObject();
    }

    /// <exception cref="CryptographicException">The point is not on the curve, or the numbers are no key.</exception>
    internal static VerificationKey Create(KeyMaterial material, string? keyId, SignatureAlgorithm? algorithm) => material switch
    {
        RsaMaterial rsa => new VerificationKey(rsa, keyId, algorithm, RSA.Create(rsa.Parameters), null),
        CurveMaterial curve => new VerificationKey(curve, keyId, algorithm, null, ECDsa.Create(curve.Parameters)),
        _ => throw new ArgumentOutOfRangeException(nameof(material)),
    };
}
