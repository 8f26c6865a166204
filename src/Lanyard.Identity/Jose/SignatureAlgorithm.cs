using System.Security.Cryptography;

namespace Lanyard.Identity.Jose;

/// <summary>The algorithms that exist here (RFC 7518 §3.1). There is no HMAC and no "none" to be confused into.</summary>
public enum SignatureAlgorithm
{
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
}

public static class SignatureAlgorithms
{
    /// <summary>The longest hash, in bytes.</summary>
    internal const int MaxHashSize = 64;

    public static string Name(this SignatureAlgorithm algorithm) => algorithm switch
    {
        SignatureAlgorithm.RS256 => "RS256",
        SignatureAlgorithm.RS384 => "RS384",
        SignatureAlgorithm.RS512 => "RS512",
        SignatureAlgorithm.PS256 => "PS256",
        SignatureAlgorithm.PS384 => "PS384",
        SignatureAlgorithm.PS512 => "PS512",
        SignatureAlgorithm.ES256 => "ES256",
        SignatureAlgorithm.ES384 => "ES384",
        SignatureAlgorithm.ES512 => "ES512",
        _ => throw new ArgumentOutOfRangeException(nameof(algorithm), algorithm, null),
    };

    /// <summary>By exact name; the names are case-sensitive.</summary>
    public static bool TryParse(ReadOnlySpan<char> name, out SignatureAlgorithm algorithm)
    {
        for (algorithm = SignatureAlgorithm.RS256; algorithm <= SignatureAlgorithm.ES512; algorithm++)
        {
            if (name.SequenceEqual(algorithm.Name()))
            {
                return true;
            }
        }

        algorithm = default;
        return false;
    }

    public static bool IsRsa(this SignatureAlgorithm algorithm) => algorithm <= SignatureAlgorithm.PS512;

    internal static bool IsPss(this SignatureAlgorithm algorithm) => algorithm is >= SignatureAlgorithm.PS256 and <= SignatureAlgorithm.PS512;

    internal static HashAlgorithmName HashName(this SignatureAlgorithm algorithm) => ((int)algorithm % 3) switch
    {
        0 => HashAlgorithmName.SHA256,
        1 => HashAlgorithmName.SHA384,
        _ => HashAlgorithmName.SHA512,
    };

    /// <returns>The number of bytes written.</returns>
    internal static int Hash(this SignatureAlgorithm algorithm, ReadOnlySpan<byte> data, Span<byte> destination) => ((int)algorithm % 3) switch
    {
        0 => SHA256.HashData(data, destination),
        1 => SHA384.HashData(data, destination),
        _ => SHA512.HashData(data, destination),
    };
}
