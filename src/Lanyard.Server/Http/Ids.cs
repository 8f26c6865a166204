using System.Diagnostics.CodeAnalysis;

namespace Lanyard.Server.Http;

/// <summary>
/// Typed ids that sort by time: a prefix, <c>_</c>, and a UUIDv7 (RFC 9562) as 26 characters of Crockford's base32 in lower case.
/// The same id can be written as a hyphenated UUID.
/// </summary>
public static class Ids
{
    private const string Alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
    private const int Length = 26;

    public static string New(string prefix, TimeProvider time) => FromUuid(prefix, Version7(time.GetUtcNow()));

    /// <summary>RFC 9562 §5.7. The framework's own reads the system's source of random bytes for each.</summary>
    private static Guid Version7(DateTimeOffset moment)
    {
        Span<byte> bytes = stackalloc byte[16];
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(bytes, moment.ToUnixTimeMilliseconds() << 16);
        UniqueBytes.Fill(bytes[6..]);
        bytes[6] = (byte)((bytes[6] & 0x0f) | 0x70);
        bytes[8] = (byte)((bytes[8] & 0x3f) | 0x80);
        return new Guid(bytes, bigEndian: true);
    }

    public static string FromUuid(string prefix, Guid uuid)
    {
        Span<byte> bytes = stackalloc byte[16];
        uuid.TryWriteBytes(bytes, bigEndian: true, out _);
        Span<char> text = stackalloc char[Length];
        var value = new UInt128(
            System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(bytes), System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]));
        for (var i = Length - 1; i >= 0; i--)
        {
            text[i] = Alphabet[(int)(value & 31)];
            value >>= 5;
        }

        return $"{prefix}_{text}";
    }

    /// <summary>Strict: the prefix given, lower case, 26 characters, no more than 128 bits.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, string prefix, out Guid uuid)
    {
        uuid = default;
        if (text is null || text.Length != prefix.Length + 1 + Length || !text.StartsWith(prefix, StringComparison.Ordinal) || text[prefix.Length] != '_')
        {
            return false;
        }

        UInt128 value = 0;
        var digits = text.AsSpan(prefix.Length + 1);
        if (digits[0] > '7')
        {
            return false;
        }

        foreach (var character in digits)
        {
            var digit = Alphabet.IndexOf(character, StringComparison.Ordinal);
            if (digit < 0)
            {
                return false;
            }

            value = (value << 5) | (uint)digit;
        }

        Span<byte> bytes = stackalloc byte[16];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(bytes, (ulong)(value >> 64));
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], (ulong)value);
        uuid = new Guid(bytes, bigEndian: true);
        return true;
    }

    /// <summary>When the id was made, in Unix milliseconds: the first 48 bits of a UUIDv7.</summary>
    public static long TimeOf(Guid uuid)
    {
        Span<byte> bytes = stackalloc byte[16];
        uuid.TryWriteBytes(bytes, bigEndian: true, out _);
        return (long)(System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(bytes) >> 16);
    }

    /// <summary>The same id as a hyphenated lower-case UUID: <c>{definition_uuid}</c>.</summary>
    /// <exception cref="FormatException">Not an id: ids are checked where they come in.</exception>
    public static string ToUuid(string id)
    {
        var at = id.IndexOf('_', StringComparison.Ordinal);
        return at > 0 && TryParse(id, id[..at], out var uuid) ? uuid.ToString("D") : throw new FormatException("not a typed id");
    }
}
