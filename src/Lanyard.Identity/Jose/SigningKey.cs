using System.Security.Cryptography;

namespace Lanyard.Identity.Jose;

/// <summary>A private key that signs with RS256 or ES256. All threads may sign at once with one object.</summary>
public sealed class SigningKey : IDisposable
{
    private const int RsaBits = 2048;

    private readonly RSA? _rsa;
    private readonly ECDsa? _ecdsa;

    private SigningKey(RSA rsa)
    {
        _rsa = rsa;
        var numbers = rsa.ExportParameters(includePrivateParameters: false);
        Public = PublicPart(new RsaMaterial(numbers.Modulus!, numbers.Exponent!), SignatureAlgorithm.RS256);
        Algorithm = SignatureAlgorithm.RS256;
        SignatureLength = numbers.Modulus!.Length;
    }

    private SigningKey(ECDsa ecdsa)
    {
        _ecdsa = ecdsa;
        var numbers = ecdsa.ExportParameters(includePrivateParameters: false);
        Public = PublicPart(new CurveMaterial(JoseCurve.P256, numbers.Q.X!, numbers.Q.Y!), SignatureAlgorithm.ES256);
        Algorithm = SignatureAlgorithm.ES256;
        SignatureLength = 2 * JoseCurve.P256.FieldLength;
    }

    public SignatureAlgorithm Algorithm { get; }

    /// <summary>The RFC 7638 thumbprint.</summary>
    public string KeyId => Public.KeyId!;

    public VerificationKey Public { get; }

    /// <summary>Bytes of one signature.</summary>
    public int SignatureLength { get; }

    /// <param name="algorithm">RS256 (2048 bits) or ES256.</param>
    public static SigningKey Generate(SignatureAlgorithm algorithm) => algorithm switch
    {
        SignatureAlgorithm.RS256 => new SigningKey(RSA.Create(RsaBits)),
        SignatureAlgorithm.ES256 => new SigningKey(ECDsa.Create(ECCurve.NamedCurves.nistP256)),
        _ => throw new ArgumentOutOfRangeException(nameof(algorithm), algorithm, "RS256 and ES256 sign"),
    };

    /// <summary>Reads an unencrypted PKCS#8 key: RSA of 2048 to 8192 bits signs RS256, a P-256 key ES256.</summary>
    public static Outcome<SigningKey> FromPkcs8(ReadOnlySpan<byte> pkcs8) =>
        ImportRsa(pkcs8) ?? ImportCurve(pkcs8) ?? Refused("no PKCS#8 key of a kind that signs here (RSA of 2048 to 8192 bits, P-256)");

    /// <summary>The same from PEM (<c>BEGIN PRIVATE KEY</c>).</summary>
    public static Outcome<SigningKey> FromPem(ReadOnlySpan<char> pem)
    {
        if (!PemEncoding.TryFind(pem, out var fields) || !pem[fields.Label].SequenceEqual("PRIVATE KEY"))
        {
            return Refused("no BEGIN PRIVATE KEY");
        }

        var bytes = new byte[fields.DecodedDataLength];
        try
        {
            return Convert.TryFromBase64Chars(pem[fields.Base64Data], bytes, out var written) ? FromPkcs8(bytes.AsSpan(0, written)) : Refused("bad base64");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    /// <summary>The private key, unencrypted: the caller encrypts or guards it, and clears the bytes.</summary>
    public byte[] ExportPkcs8() => _rsa?.ExportPkcs8PrivateKey() ?? _ecdsa!.ExportPkcs8PrivateKey();

    public string ExportPem() => _rsa?.ExportPkcs8PrivateKeyPem() ?? _ecdsa!.ExportPkcs8PrivateKeyPem();

    /// <summary>Signs; an ES256 signature is r and s side by side (RFC 7518 §3.4).</summary>
    /// <param name="destination">At least <see cref="SignatureLength"/> bytes.</param>
    /// <returns>The number of bytes written.</returns>
    public int Sign(ReadOnlySpan<byte> data, Span<byte> destination)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(data, hash);
        var done = _rsa is not null
            ? _rsa.TrySignHash(hash, destination, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1, out var written)
            : _ecdsa!.TrySignHash(hash, destination, DSASignatureFormat.IeeeP1363FixedFieldConcatenation, out written);
        return done ? written : throw new ArgumentException("too small", nameof(destination));
    }

    public void Dispose()
    {
        _rsa?.Dispose();
        _ecdsa?.Dispose();
    }

    private static Outcome<SigningKey>? ImportRsa(ReadOnlySpan<byte> pkcs8)
    {
        var rsa = RSA.Create();
        try
        {
            rsa.ImportPkcs8PrivateKey(pkcs8, out var read);
            if (read == pkcs8.Length && rsa.KeySize is >= 2048 and <= 8192)
            {
                return new SigningKey(rsa);
            }
        }
        catch (CryptographicException)
        {
            // Not RSA.
        }

        rsa.Dispose();
        return null;
    }

    private static Outcome<SigningKey>? ImportCurve(ReadOnlySpan<byte> pkcs8)
    {
        var ecdsa = ECDsa.Create();
        try
        {
            ecdsa.ImportPkcs8PrivateKey(pkcs8, out var read);
            if (read == pkcs8.Length && ecdsa.ExportParameters(false).Curve.Oid?.Value == "1.2.840.10045.3.1.7")
            {
                return new SigningKey(ecdsa);
            }
        }
        catch (CryptographicException)
        {
            // Not a named curve.
        }

        ecdsa.Dispose();
        return null;
    }

    private static VerificationKey PublicPart(KeyMaterial material, SignatureAlgorithm algorithm) =>
        VerificationKey.Create(material, material.Thumbprint(), algorithm);

    private static Refusal Refused(string detail) => new(RefusalReason.KeyRefused, $"signing key: {detail}");
}
