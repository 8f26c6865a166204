using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Lanyard.Identity.Tokens;

/// <summary>SHA-256 of a token's bytes as a value: what caches, logs and audit know a token by.</summary>
public readonly record struct TokenHash(ulong A, ulong B, ulong C, ulong D)
{
    public static TokenHash Of(ReadOnlySpan<byte> token)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(token, hash);
        return new TokenHash(
            BinaryPrimitives.ReadUInt64BigEndian(hash),
            BinaryPrimitives.ReadUInt64BigEndian(hash[8..]),
            BinaryPrimitives.ReadUInt64BigEndian(hash[16..]),
            BinaryPrimitives.ReadUInt64BigEndian(hash[24..]));
    }

    /// <summary>Of a token's text; nothing is allocated.</summary>
    public static TokenHash Of(ReadOnlySpan<char> token)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(token.Length));
        var bytes = buffer.AsSpan(0, Encoding.UTF8.GetBytes(token, buffer));
        try
        {
            return Of(bytes);
        }
        finally
        {
            // The next one to rent it must not find a token there.
            bytes.Clear();
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    // The first word of a SHA-256 is as good a hash code as any.
    public override int GetHashCode() => (int)A;

    public bool Equals(TokenHash other) => A == other.A && B == other.B && C == other.C && D == other.D;

    /// <summary>Lower-case hex, 64 digits.</summary>
    public override string ToString() => $"{A:x16}{B:x16}{C:x16}{D:x16}";
}
