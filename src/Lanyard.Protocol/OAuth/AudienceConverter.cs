using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lanyard.Protocol.OAuth;

/// <summary><c>aud</c> as tokens have it (RFC 7519 §4.1.3): one as a string, several as an array.</summary>
public sealed class AudienceConverter : JsonConverter<IReadOnlyList<string>>
{
    public override IReadOnlyList<string> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String) return [reader.GetString()!];
        if (reader.TokenType != JsonTokenType.StartArray) throw new JsonException("aud: a string or an array of strings");
        var audiences = new List<string>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray) audiences.Add(reader.GetString() ?? throw new JsonException("aud: a string or an array of strings"));
        return audiences;
    }

    public override void Write(Utf8JsonWriter writer, IReadOnlyList<string> value, JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(value);
        if (value is [var only])
        {
            writer.WriteStringValue(only);
            return;
        }

        writer.WriteStartArray();
        foreach (var audience in value) writer.WriteStringValue(audience);
        writer.WriteEndArray();
    }
}
