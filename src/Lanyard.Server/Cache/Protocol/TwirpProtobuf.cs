using System.Text;

namespace Lanyard.Server.Cache.Protocol;

/// <summary>Protobuf's wire format as far as the cache's messages need it: varints and length-delimited fields; others are passed over.</summary>
internal static class TwirpProtobuf
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private enum Wire
    {
        Varint = 0,
        Fixed64 = 1,
        Bytes = 2,
        Fixed32 = 5,
    }

    /// <returns>The message; or null and what is wrong with it.</returns>
    public static (TwirpMessage? Message, string? Mistake) Read(ReadOnlySpan<byte> bytes, IReadOnlyList<TwirpField> schema)
    {
        var message = new TwirpMessage(schema);
        while (bytes.Length > 0)
        {
            if (!TryVarint(ref bytes, out var tag) || !TryValue(ref bytes, (Wire)(tag & 7), out var number, out var content)) return (null, "the body is no protobuf");
            var field = schema.FirstOrDefault(field => (ulong)field.Number == tag >> 3);
            if (field is null or { Kind: TwirpKind.Ignored }) continue;
            if ((Wire)(tag & 7) != (field.Kind is TwirpKind.Text or TwirpKind.Texts ? Wire.Bytes : Wire.Varint)) return (null, $"{field.Name} has the wrong type");
            if (field.Kind is TwirpKind.Int64)
            {
                message.Set(field.Name, unchecked((long)number));
                continue;
            }

            if (TextOf(content) is not { } text) return (null, $"{field.Name} is not UTF-8");
            if (field.Kind == TwirpKind.Texts) message.Add(field.Name, text);
            else message.Set(field.Name, text);
        }

        return (message, null);
    }

    /// <summary>Empty values are left out, as proto3 has it.</summary>
    public static byte[] Write(TwirpMessage message)
    {
        using var stream = new MemoryStream();
        foreach (var field in message.Schema)
        {
            switch (message.Find(field.Name))
            {
                case string { Length: > 0 } text:
                    var bytes = Strict.GetBytes(text);
                    WriteVarint(stream, ((ulong)field.Number << 3) | (ulong)Wire.Bytes);
                    WriteVarint(stream, (ulong)bytes.Length);
                    stream.Write(bytes);
                    break;
                case long number when number != 0:
                    WriteVarint(stream, ((ulong)field.Number << 3) | (ulong)Wire.Varint);
                    WriteVarint(stream, unchecked((ulong)number));
                    break;
                case true:
                    WriteVarint(stream, ((ulong)field.Number << 3) | (ulong)Wire.Varint);
                    WriteVarint(stream, 1);
                    break;
            }
        }

        return stream.ToArray();
    }

    private static bool TryValue(ref ReadOnlySpan<byte> bytes, Wire wire, out ulong number, out ReadOnlySpan<byte> content)
    {
        number = 0;
        content = default;
        switch (wire)
        {
            case Wire.Varint:
                return TryVarint(ref bytes, out number);
            case Wire.Bytes:
                return TryVarint(ref bytes, out var length) && length <= (ulong)bytes.Length && TryTake(ref bytes, (int)length, out content);
            case Wire.Fixed64:
                return TryTake(ref bytes, 8, out content);
            case Wire.Fixed32:
                return TryTake(ref bytes, 4, out content);
            default:
                return false;
        }
    }

    private static bool TryTake(ref ReadOnlySpan<byte> bytes, int length, out ReadOnlySpan<byte> taken)
    {
        taken = default;
        if (bytes.Length < length) return false;
        taken = bytes[..length];
        bytes = bytes[length..];
        return true;
    }

    private static bool TryVarint(ref ReadOnlySpan<byte> bytes, out ulong value)
    {
        value = 0;
        for (var shift = 0; shift < 64 && bytes.Length > 0; shift += 7)
        {
            var next = bytes[0];
            bytes = bytes[1..];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80) return true;
        }

        return false;
    }

    private static void WriteVarint(MemoryStream stream, ulong value)
    {
        for (; value >= 0x80; value >>= 7) stream.WriteByte((byte)(value | 0x80));
        stream.WriteByte((byte)value);
    }

    private static string? TextOf(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return Strict.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }
}
