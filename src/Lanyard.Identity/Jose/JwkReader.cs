using System.Numerics;
using System.Security.Cryptography;
using System.Text.Json;

namespace Lanyard.Identity.Jose;

/// <summary>
/// JWK -> <see cref="VerificationKey"/>. A key that is not for us (another type, curve, algorithm or use) and a key that nobody should
/// use (weak, malformed, private) are told apart: a key set skips the first and is refused for the second.
/// </summary>
internal static class JwkReader
{
    private const int MinModulusBits = 2048;
    private const int MaxModulusBits = 8192;
    private const int MaxKeyIdLength = 200;

    private static readonly string[] PrivateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

    /// <summary>RFC 7517 §4.2.</summary>
    public const string SignatureUse = "sig";

    public static Outcome<VerificationKey> Read(JsonElement jwk) => Read(jwk, SignatureUse, out _);

    /// <param name="wantedUse">Keys of another <c>use</c> are not for us.</param>
    /// <param name="notForUs">True when the refused key may stand in a key set without harm.</param>
    public static Outcome<VerificationKey> Read(JsonElement jwk, string wantedUse, out bool notForUs)
    {
        notForUs = false;
        if (jwk.ValueKind != JsonValueKind.Object)
        {
            return Refused("a key is not an object");
        }

        foreach (var name in PrivateMembers)
        {
            if (jwk.TryGetProperty(name, out _))
            {
                return Refused($"private or symmetric member \"{name}\": this key is no longer a secret");
            }
        }

        if (!TryReadText(jwk, "kid", out var keyId) || !TryReadText(jwk, "alg", out var algorithmName) || !TryReadText(jwk, "kty", out var type)
            || keyId?.Length > MaxKeyIdLength)
        {
            return Refused($"kid, alg and kty must be strings, kid of at most {MaxKeyIdLength} characters");
        }

        SignatureAlgorithm? algorithm = null;
        if (algorithmName is not null)
        {
            notForUs = !SignatureAlgorithms.TryParse(algorithmName, out var parsed);
            algorithm = parsed;
        }

        notForUs |= type is not ("RSA" or "EC");
        if (notForUs)
        {
            return Refused($"type {type ?? "(none)"} with algorithm {algorithmName ?? "(none)"} is not supported");
        }

        if (WrongUse(jwk, wantedUse, keyId) is { } use)
        {
            notForUs = true;
            return Refused(use);
        }

        return type == "RSA" ? ReadRsa(jwk, keyId, algorithm) : ReadCurve(jwk, keyId, algorithm, out notForUs);
    }

    private static Outcome<VerificationKey> ReadRsa(JsonElement jwk, string? keyId, SignatureAlgorithm? algorithm)
    {
        if (ReadNumber(jwk, "n") is not { } modulus || ReadNumber(jwk, "e") is not { } exponent)
        {
            return Refused("an RSA key needs n and e in base64url");
        }

        if (algorithm is { } own && !own.IsRsa())
        {
            return Refused($"algorithm {own.Name()} on an RSA key");
        }

        var n = new BigInteger(modulus, isUnsigned: true, isBigEndian: true);
        var e = new BigInteger(exponent, isUnsigned: true, isBigEndian: true);
        var bits = n.GetBitLength();
        if (bits is < MinModulusBits or > MaxModulusBits)
        {
            return Refused($"an RSA modulus of {bits} bits; {MinModulusBits} to {MaxModulusBits} are accepted");
        }

        if (n.IsEven || e.IsEven || e < 3 || e > uint.MaxValue)
        {
            return Refused("an RSA key with an even modulus, or an exponent that is even, 1, or over 32 bits");
        }

        return RocaCheck.IsAffected(n) ? Refused("an RSA key with the fingerprint of CVE-2017-15361 (ROCA)") : Create(new RsaMaterial(modulus, exponent), keyId, algorithm);
    }

    private static Outcome<VerificationKey> ReadCurve(JsonElement jwk, string? keyId, SignatureAlgorithm? algorithm, out bool notForUs)
    {
        notForUs = false;
        if (!TryReadText(jwk, "crv", out var name) || name is null)
        {
            return Refused("an EC key needs crv");
        }

        if (JoseCurve.Find(name) is not { } curve)
        {
            notForUs = true;
            return Refused($"curve {name} is not supported");
        }

        if (algorithm is { } own && own != curve.Algorithm)
        {
            return Refused($"algorithm {own.Name()} on curve {curve.Name}");
        }

        if (ReadBytes(jwk, "x") is not { } x || ReadBytes(jwk, "y") is not { } y || x.Length != curve.FieldLength || y.Length != curve.FieldLength)
        {
            return Refused($"a key on {curve.Name} needs x and y of {curve.FieldLength} bytes each in base64url");
        }

        return Create(new CurveMaterial(curve, x, y), keyId, curve.Algorithm);
    }

    private static Outcome<VerificationKey> Create(KeyMaterial material, string? keyId, SignatureAlgorithm? algorithm)
    {
        try
        {
            return VerificationKey.Create(material, keyId, algorithm);
        }
        catch (CryptographicException)
        {
            return Refused("the numbers are no key: not a point of the curve, or not an RSA key");
        }
    }

    private static string? WrongUse(JsonElement jwk, string wanted, string? keyId)
    {
        var isSaid = jwk.TryGetProperty("use", out var use);
        if (isSaid ? use.ValueKind != JsonValueKind.String || !use.ValueEquals(wanted) : wanted != SignatureUse)
        {
            return $"use is not \"{wanted}\"";
        }

        if (wanted != SignatureUse && keyId is null)
        {
            return "a bundle's key without kid";
        }

        if (!jwk.TryGetProperty("key_ops", out var operations))
        {
            return null;
        }

        if (operations.ValueKind == JsonValueKind.Array)
        {
            foreach (var operation in operations.EnumerateArray())
            {
                if (operation.ValueKind == JsonValueKind.String && operation.ValueEquals("verify"u8))
                {
                    return null;
                }
            }
        }

        return "key_ops has no \"verify\"";
    }

    private static bool TryReadText(JsonElement jwk, string name, out string? value)
    {
        value = null;
        if (!jwk.TryGetProperty(name, out var member))
        {
            return true;
        }

        value = member.ValueKind == JsonValueKind.String ? member.GetString() : null;
        return !string.IsNullOrEmpty(value);
    }

    private static byte[]? ReadBytes(JsonElement jwk, string name) =>
        TryReadText(jwk, name, out var text) && text is not null && text.Length <= 2048 ? Base64Url.Decode(text) : null;

    /// <summary>Without leading zeros, so that one number has one thumbprint.</summary>
    private static byte[]? ReadNumber(JsonElement jwk, string name) =>
        ReadBytes(jwk, name) is { } bytes && bytes.AsSpan().TrimStart((byte)0).ToArray() is { Length: > 0 } trimmed ? trimmed : null;

    private static Refusal Refused(string detail) => new(RefusalReason.KeyRefused, detail);
}
