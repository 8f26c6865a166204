using System.Buffers;
using System.Text;
using Lenient = System.Buffers.Text.Base64Url;

namespace Lanyard.Identity.Jose;

/// <summary>
/// base64url as RFC 7515 §2 writes it, and nothing else: no padding, no white space, no spare bits. One value has one spelling,
/// because memories of tokens are keyed by the spelling.
/// </summary>
public static class Base64Url
{
    private static readonly SearchValues<byte> Alphabet =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"u8);

    /// <summary>Bytes that <paramref name="encodedLength"/> characters stand for.</summary>
    public static int GetDecodedLength(int encodedLength) => (int)((long)encodedLength * 3 / 4);

    public static int GetEncodedLength(int length) => checked((int)(((long)length * 4 + 2) / 3));

    /// <returns>False when the text is not the one spelling of a value, or <paramref name="destination"/> is too small.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> encoded, Span<byte> destination, out int written)
    {
        written = 0;
        return IsCanonical(encoded)
            && destination.Length >= GetDecodedLength(encoded.Length)
            && Lenient.DecodeFromUtf8(encoded, destination, out _, out written) == OperationStatus.Done;
    }

    /// <returns>Null when the text is not the one spelling of a value.</returns>
    public static byte[]? Decode(ReadOnlySpan<byte> encoded)
    {
        var bytes = new byte[GetDecodedLength(encoded.Length)];
        return TryDecode(encoded, bytes, out _) ? bytes : null;
    }

    /// <inheritdoc cref="Decode(ReadOnlySpan{byte})"/>
    public static byte[]? Decode(string encoded) => Ascii.IsValid(encoded) ? Decode(Encoding.ASCII.GetBytes(encoded)) : null;

    public static string Encode(ReadOnlySpan<byte> value) => Lenient.EncodeToString(value);

    /// <returns>The number of characters written.</returns>
    public static int Encode(ReadOnlySpan<byte> value, Span<byte> destination) => Lenient.EncodeToUtf8(value, destination);

    internal static bool IsCanonical(ReadOnlySpan<byte> encoded)
    {
        if (encoded.ContainsAnyExcept(Alphabet))
        {
            return false;
        }

        return (encoded.Length % 4) switch
        {
            0 => true,
            2 => (Sextet(encoded[^1]) & 0b1111) == 0,
            3 => (Sextet(encoded[^1]) & 0b11) == 0,
            _ => false,
        };
    }

    private static int Sextet(byte character) => character switch
    {
        >= (byte)'A' and <= (byte)'Z' => character - 'A',
        >= (byte)'a' and <= (byte)'z' => character - 'a' + 26,
        >= (byte)'0' and <= (byte)'9' => character - '0' + 52,
        (byte)'-' => 62,
        _ => 63,
    };
}
