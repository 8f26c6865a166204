using System.Buffers.Binary;
using Lanyard.Server.Http;

namespace Lanyard.Server.Audit;

/// <summary>
/// Event ids: UUIDv7 whose 12 bits behind the milliseconds count (RFC 9562 §6.2, method 1), so that a process's ids sort in the
/// order in which they were given and a reader can go on from the last one. Used by one writer at a time.
/// </summary>
internal sealed class EventIds(TimeProvider time)
{
    public const string Prefix = "evt";

    private long _milliseconds;
    private int _count;

    public (string Id, DateTimeOffset At) Next()
    {
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        if (now > _milliseconds)
        {
            (_milliseconds, _count) = (now, 0);
        }
        else if (++_count > 0xfff)
        {
            (_milliseconds, _count) = (_milliseconds + 1, 0);
        }

        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteInt64BigEndian(bytes, (_milliseconds << 16) | 0x7000L | (long)_count);
        UniqueBytes.Fill(bytes[8..]);
        bytes[8] = (byte)((bytes[8] & 0x3f) | 0x80);
        return (Ids.FromUuid(Prefix, new Guid(bytes, bigEndian: true)), DateTimeOffset.FromUnixTimeMilliseconds(_milliseconds));
    }

    /// <summary>Sorts before every id of that moment and later.</summary>
    public static string Before(DateTimeOffset moment)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteInt64BigEndian(bytes, Math.Max(0, moment.ToUnixTimeMilliseconds()) << 16);
        return Ids.FromUuid(Prefix, new Guid(bytes, bigEndian: true));
    }
}
