using System.Globalization;
using System.Text.Json;

namespace Lanyard.Server.Cache.Protocol;

/// <summary>
/// Protobuf's JSON mapping as far as the cache's messages need it: snake or camel case, 64-bit numbers as text or number, null as absent, unknown
/// members passed over (clients grow new ones). Written in snake case with numbers as text.
/// </summary>
internal static class TwirpJson
{
    /// <returns>The message; or null and what is wrong with it.</returns>
    public static (TwirpMessage? Message, string? Mistake) Read(ReadOnlyMemory<byte> json, IReadOnlyList<TwirpField> schema)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 16, AllowDuplicateProperties = false });
            if (document.RootElement.ValueKind != JsonValueKind.Object) return (null, "the body is no object");
            var message = new TwirpMessage(schema);
            foreach (var member in document.RootElement.EnumerateObject())
            {
                if (Field(schema, member.Name) is { Kind: not TwirpKind.Ignored } field && member.Value.ValueKind != JsonValueKind.Null
                    && !Set(message, field, member.Value))
                    return (null, $"{field.Name} has the wrong type");
            }

            return (message, null);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return (null, "the body is no JSON");
        }
    }

    public static byte[] Write(TwirpMessage message)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
        {
            writer.WriteStartObject();
            foreach (var field in message.Schema)
            {
                switch (message.Find(field.Name))
                {
                    case string text: writer.WriteString(field.Name, text); break;
                    case bool flag: writer.WriteBoolean(field.Name, flag); break;
                    case long number: writer.WriteString(field.Name, number.ToString(CultureInfo.InvariantCulture)); break;
                }
            }

            writer.WriteEndObject();
        }

        return stream.ToArray();
    }

    private static TwirpField? Field(IReadOnlyList<TwirpField> schema, string name)
    {
        foreach (var field in schema)
        {
            if (field.Name == name || IsCamelOf(name, field.Name)) return field;
        }

        return null;
    }

    private static bool IsCamelOf(string camel, string snake)
    {
        var at = 0;
        for (var i = 0; i < snake.Length; i++, at++)
        {
            var wanted = snake[i] == '_' && i + 1 < snake.Length ? char.ToUpperInvariant(snake[++i]) : snake[i];
            if (at >= camel.Length || camel[at] != wanted) return false;
        }

        return at == camel.Length;
    }

    private static bool Set(TwirpMessage message, TwirpField field, JsonElement value)
    {
        switch (field.Kind)
        {
            case TwirpKind.Text when value.ValueKind == JsonValueKind.String:
                message.Set(field.Name, value.GetString()!);
                return true;
            case TwirpKind.Int64 when value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number):
                message.Set(field.Name, number);
                return true;
            case TwirpKind.Int64 when value.ValueKind == JsonValueKind.String
                && long.TryParse(value.GetString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number):
                message.Set(field.Name, number);
                return true;
            case TwirpKind.Texts when value.ValueKind == JsonValueKind.Array:
                foreach (var item in value.EnumerateArray())
                {
                    if (item.ValueKind != JsonValueKind.String) return false;
                    message.Add(field.Name, item.GetString()!);
                }

                return true;
            default:
                return false;
        }
    }
}
