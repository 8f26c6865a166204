using System.Buffers.Text;
using System.Numerics;
using System.Security.Cryptography;

namespace Lanyard.Testing;

/// <summary>The other spelling of a token signed by ES256: the same bytes are signed, by (r, n - s), and every verifier takes it.</summary>
public static class EcdsaTwin
{
    public static string Of(string token)
    {
        ArgumentNullException.ThrowIfNull(token);
        var end = token.LastIndexOf('.') + 1;
        var signature = Base64Url.DecodeFromChars(token.AsSpan(end));
        var half = signature.Length / 2;
        var twin = Order - new BigInteger(signature.AsSpan(half), isUnsigned: true, isBigEndian: true);
        signature.AsSpan(half).Clear();
        var bytes = twin.ToByteArray(isUnsigned: true, isBigEndian: true);
        bytes.CopyTo(signature, signature.Length - bytes.Length);
        return token[..end] + Base64Url.EncodeToString(signature);
    }

    private static BigInteger Order { get; } = OrderOf(ECCurve.NamedCurves.nistP256);

    private static BigInteger OrderOf(ECCurve curve)
    {
        using var key = ECDsa.Create(curve);
        return new BigInteger(key.ExportExplicitParameters(false).Curve.Order!, isUnsigned: true, isBigEndian: true);
    }
}
