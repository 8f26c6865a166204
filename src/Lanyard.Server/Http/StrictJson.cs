using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Http;

/// <summary>
/// Reads a JSON body strictly into a wire record: media type, size cap, valid UTF-8, no member twice, no unknown member, no missing one, the right
/// types; every mistake is told at once with its path.
/// </summary>
internal static class StrictJson
{
    public const int DefaultMaxBytes = 1024 * 1024;
    private const int MaxDepth = 32;

    /// <returns>The record, or the answer to give.</returns>
    public static async Task<Read<T>> ReadAsync<T>(HttpRequest request, JsonTypeInfo<T> shape, int maxBytes = DefaultMaxBytes)
        where T : class
    {
        if (!request.HasJsonContentType())
        {
            return new Read<T>(null, Refused.Malformed([new Mistake("", "the body must be application/json")]));
        }

        if (request.ContentLength > maxBytes)
        {
            return new Read<T>(null, TooLarge(maxBytes));
        }

        var body = new ArrayBufferWriter<byte>((int)Math.Clamp(request.ContentLength ?? 4096, 64, 4096));
        var reader = request.BodyReader;
        while (true)
        {
            var part = await reader.ReadAsync(request.HttpContext.RequestAborted);
            foreach (var segment in part.Buffer)
            {
                body.Write(segment.Span);
            }

            reader.AdvanceTo(part.Buffer.End);
            if (body.WrittenCount > maxBytes)
            {
                return new Read<T>(null, TooLarge(maxBytes));
            }

            if (part.IsCompleted)
            {
                return Parse(body.WrittenMemory, shape);
            }
        }
    }

    public static Read<T> Parse<T>(ReadOnlyMemory<byte> json, JsonTypeInfo<T> shape)
        where T : class
    {
        try
        {
            // Text that is no UTF-8, or an escaped half of a surrogate pair, would otherwise fail later and elsewhere.
            if (!System.Text.Unicode.Utf8.IsValid(json.Span))
            {
                return Malformed<T>("", "the body is not UTF-8");
            }

            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = MaxDepth, AllowDuplicateProperties = false });
            return Take(document.RootElement, shape);
        }
        catch (JsonException exception)
        {
            return Malformed<T>((exception.Path ?? "").TrimStart('$', '.'), $"not the JSON that is taken here (line {exception.LineNumber + 1})");
        }
    }

    /// <summary>A part of a body that was read as such, without regard to what it is.</summary>
    public static Read<T> Take<T>(JsonElement element, JsonTypeInfo<T> shape)
        where T : class
    {
        try
        {
            var mistakes = ShapeCheck.Mistakes(element, shape);
            if (mistakes.Count > 0)
            {
                return new Read<T>(null, Refused.Malformed(mistakes));
            }

            return element.Deserialize(shape) is { } value ? new Read<T>(value, null) : Malformed<T>("", "the body is null");
        }
        catch (InvalidOperationException)
        {
            return Malformed<T>("", "a text has half a surrogate pair");
        }
    }

    private static Read<T> Malformed<T>(string path, string text)
        where T : class => new(null, Refused.Malformed([new Mistake(path, text)]));

    private static Refused TooLarge(int maxBytes) => new(new Refusal(RefusalReason.RequestTooLarge, $"more than {maxBytes} bytes"));
}

/// <summary>A body that was read, or the answer that says why not.</summary>
internal readonly record struct Read<T>(T? Value, Refused? Refused)
    where T : class
{
    public bool TryGet(
        [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out T? value, [System.Diagnostics.CodeAnalysis.NotNullWhen(false)] out Refused? refused)
    {
        value = Value;
        refused = Refused;
        return refused is null;
    }
}
