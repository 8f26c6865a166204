using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Lanyard.Identity.Jose;

namespace Lanyard.Identity.Tokens;

/// <summary>Signs tokens of our own: a compact JWS with <c>alg</c>, <c>kid</c> and <c>typ</c> in the header and nothing else.</summary>
public static class TokenMint
{
    /// <summary><c>typ</c> of identity tokens and assertions.</summary>
    public const string JwtType = "JWT";

    /// <summary><c>typ</c> of API and runtime tokens (RFC 9068 §2.1).</summary>
    public const string AccessTokenType = "at+jwt";

    /// <summary>Characters such as <c>+</c> and <c>'</c> stay as they are: the payload goes into no page.</summary>
    private static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    [ThreadStatic]
    private static Scratch? t_scratch;

    public static string Mint(SigningKey key, string type, TokenClaims claims)
    {
        ArgumentNullException.ThrowIfNull(claims);
        return Mint(key, type, claims, static (writer, c) => c.WriteTo(writer));
    }

    /// <param name="writePayload">Writes one JSON object.</param>
    public static string Mint(SigningKey key, string type, Action<Utf8JsonWriter> writePayload) =>
        Mint(key, type, writePayload, static (writer, write) => write(writer));

    /// <param name="payload">UTF-8 JSON, signed as it is.</param>
    public static string Mint(SigningKey key, string type, ReadOnlySpan<byte> payload)
    {
        ArgumentNullException.ThrowIfNull(key);
        var scratch = t_scratch ??= new Scratch();
        return Sign(key, scratch.Header(key, type), payload);
    }

    private static string Mint<T>(SigningKey key, string type, T state, Action<Utf8JsonWriter, T> write)
    {
        ArgumentNullException.ThrowIfNull(key);
        var scratch = t_scratch ??= new Scratch();
        var header = scratch.Header(key, type);
        scratch.Buffer.ResetWrittenCount();
        scratch.Writer.Reset();
        write(scratch.Writer, state);
        scratch.Writer.Flush();
        return Sign(key, header, scratch.Buffer.WrittenSpan);
    }

    private static string Sign(SigningKey key, ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload)
    {
        var payloadLength = Base64Url.GetEncodedLength(payload.Length);
        var inputLength = header.Length + 1 + payloadLength;
        var total = inputLength + 1 + Base64Url.GetEncodedLength(key.SignatureLength);
        var rented = ArrayPool<byte>.Shared.Rent(total);
        try
        {
            var token = rented.AsSpan(0, total);
            header.CopyTo(token);
            token[header.Length] = (byte)'.';
            Base64Url.Encode(payload, token[(header.Length + 1)..]);
            Span<byte> signature = stackalloc byte[1024];
            var written = key.Sign(token[..inputLength], signature);
            token[inputLength] = (byte)'.';
            Base64Url.Encode(signature[..written], token[(inputLength + 1)..]);
            return System.Text.Encoding.ASCII.GetString(token);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <summary>One a thread: a writer with its buffer, and the encoded header of the key used last.</summary>
    private sealed class Scratch
    {
        private SigningKey? _key;
        private string? _type;
        private byte[] _header = [];

        public Scratch() => Writer = new Utf8JsonWriter(Buffer, WriterOptions);

        public ArrayBufferWriter<byte> Buffer { get; } = new(2048);

        public Utf8JsonWriter Writer { get; }

        public ReadOnlySpan<byte> Header(SigningKey key, string type)
        {
            if (ReferenceEquals(key, _key) && type == _type)
            {
                return _header;
            }

            Buffer.ResetWrittenCount();
            Writer.Reset();
            Writer.WriteStartObject();
            Writer.WriteString("alg"u8, key.Algorithm.Name());
            Writer.WriteString("kid"u8, key.KeyId);
            Writer.WriteString("typ"u8, type);
            Writer.WriteEndObject();
            Writer.Flush();
            _header = new byte[Base64Url.GetEncodedLength(Buffer.WrittenCount)];
            Base64Url.Encode(Buffer.WrittenSpan, _header);
            (_key, _type) = (key, type);
            return _header;
        }
    }
}
