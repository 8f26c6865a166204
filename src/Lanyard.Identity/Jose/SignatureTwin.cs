namespace Lanyard.Identity.Jose;

/// <summary>
/// Of an ECDSA signature (r, s) anybody can make another that is as good, (r, n - s), where n is the order of the curve (FIPS 186-5, SP 800-186 §3.2.1). A token has
/// so a second spelling with another hash: who ends a token by its hash means both.
/// </summary>
internal static class SignatureTwin
{
    /// <summary>Of the longest signature that has one, ES512's, in bytes.</summary>
    public const int MaxSize = 2 * 66;

    private static readonly byte[] Order256 = Convert.FromHexString("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551");

    private static readonly byte[] Order384 = Convert.FromHexString("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973");

    private static readonly byte[] Order521 = Convert.FromHexString(
        "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409");

    /// <summary>Puts the other one in a good signature's place.</summary>
    /// <param name="signature">r and s, each as long as the order (RFC 7518 §3.4).</param>
    /// <returns>False where there is none: RSA's are one for each message, or are made with a secret.</returns>
    public static bool TryTurn(SignatureAlgorithm algorithm, Span<byte> signature)
    {
        var order = algorithm switch
        {
            SignatureAlgorithm.ES256 => Order256,
            SignatureAlgorithm.ES384 => Order384,
            SignatureAlgorithm.ES512 => Order521,
            _ => [],
        };
        if (order.Length == 0 || signature.Length != 2 * order.Length)
        {
            return false;
        }

        var s = signature[order.Length..];
        var borrow = 0;
        for (var i = order.Length - 1; i >= 0; i--)
        {
            var difference = order[i] - s[i] - borrow;
            borrow = difference < 0 ? 1 : 0;
            s[i] = (byte)difference;
        }

        return true;
    }
}
