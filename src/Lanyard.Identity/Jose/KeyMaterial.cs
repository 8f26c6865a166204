using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;

namespace Lanyard.Identity.Jose;

/// <summary>The public numbers of a key, and how they are written (RFC 7518 §6).</summary>
internal abstract record KeyMaterial
{
    /// <summary>Bytes of a JWS signature by this key.</summary>
    public abstract int SignatureLength { get; }

    /// <summary>The members that RFC 7638 §3.2 requires, in lexical order.</summary>
    public abstract void WriteMembers(Utf8JsonWriter writer);

    public string Thumbprint()
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            WriteMembers(writer);
            writer.WriteEndObject();
        }

        return Base64Url.Encode(SHA256.HashData(buffer.WrittenSpan));
    }
}

internal sealed record RsaMaterial(byte[] Modulus, byte[] Exponent) : KeyMaterial
{
    public override int SignatureLength => Modulus.Length;

    public RSAParameters Parameters => new() { Modulus = Modulus, Exponent = Exponent };

    public override void WriteMembers(Utf8JsonWriter writer)
    {
        writer.WriteString("e"u8, Base64Url.Encode(Exponent));
        writer.WriteString("kty"u8, "RSA"u8);
        writer.WriteString("n"u8, Base64Url.Encode(Modulus));
    }
}

internal sealed record CurveMaterial(JoseCurve Curve, byte[] X, byte[] Y) : KeyMaterial
{
    public override int SignatureLength => 2 * Curve.FieldLength;

    public ECParameters Parameters => new() { Curve = Curve.Curve, Q = new ECPoint { X = X, Y = Y } };

    public override void WriteMembers(Utf8JsonWriter writer)
    {
        writer.WriteString("crv"u8, Curve.Name);
        writer.WriteString("kty"u8, "EC"u8);
        writer.WriteString("x"u8, Base64Url.Encode(X));
        writer.WriteString("y"u8, Base64Url.Encode(Y));
    }
}

/// <summary>A curve, the bytes of one coordinate, and the only algorithm that goes with it (RFC 7518 §3.4).</summary>
internal sealed record JoseCurve(string Name, ECCurve Curve, int FieldLength, SignatureAlgorithm Algorithm)
{
    public static readonly JoseCurve P256 = new("P-256", ECCurve.NamedCurves.nistP256, 32, SignatureAlgorithm.ES256);
    public static readonly JoseCurve P384 = new("P-384", ECCurve.NamedCurves.nistP384, 48, SignatureAlgorithm.ES384);
    public static readonly JoseCurve P521 = new("P-521", ECCurve.NamedCurves.nistP521, 66, SignatureAlgorithm.ES512);

    public static JoseCurve? Find(string name) => name switch
    {
        "P-256" => P256,
        "P-384" => P384,
        "P-521" => P521,
        _ => null,
    };
}
