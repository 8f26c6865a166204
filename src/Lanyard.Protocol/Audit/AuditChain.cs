using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Lanyard.Protocol.Audit;

/// <summary>The arithmetic of the audit chain, shared by the server and by whoever checks it from outside.</summary>
public static class AuditChain
{
    /// <summary>What comes before the first event: bound to the chain, so that one chain can't pass for another.</summary>
    public static string Genesis(string chain) => Hex(SHA256.HashData(Encoding.UTF8.GetBytes($"lanyard audit\n{chain}")));

    /// <summary>SHA-256 over the hash before, chain, sequence and the event's JSON as it was stored, each on a line.</summary>
    public static string Hash(string previousHash, string chain, long sequence, string eventJson)
    {
        ArgumentNullException.ThrowIfNull(eventJson);
        var place = string.Create(CultureInfo.InvariantCulture, $"{previousHash}\n{chain}\n{sequence}\n");
        var buffer = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(place.Length + eventJson.Length));
        var length = Encoding.UTF8.GetBytes(place, buffer);
        length += Encoding.UTF8.GetBytes(eventJson, buffer.AsSpan(length));
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(buffer.AsSpan(0, length), hash);
        ArrayPool<byte>.Shared.Return(buffer);
        return Hex(hash);
    }

    private static string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);
}
