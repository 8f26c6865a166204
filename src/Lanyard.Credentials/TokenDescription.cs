using System.Buffers;
using System.Buffers.Text;
using System.Text;
using System.Text.Json;

namespace Lanyard.Credentials;

/// <summary>What <c>--format json</c> prints: the token, and when it ends as the token itself says. Nothing is verified here.</summary>
internal static class TokenDescription
{
    public static string Of(string token)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("token", token);
            if (ExpiryOf(token) is { } seconds)
            {
                writer.WriteNumber("exp", seconds);
                writer.WriteString("expiresAt", DateTimeOffset.FromUnixTimeSeconds(seconds));
            }

            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    public static long? ExpiryOf(string token)
    {
        const long MaxUnixSeconds = 253402300799;
        try
        {
            using var payload = JsonDocument.Parse(Base64Url.DecodeFromChars(token.Split('.') is [_, var middle, _] ? middle : ""));
            return payload.RootElement.ValueKind == JsonValueKind.Object
                && payload.RootElement.TryGetProperty("exp", out var exp)
                && exp.ValueKind == JsonValueKind.Number
                && exp.TryGetInt64(out var seconds)
                && seconds is >= 0 and <= MaxUnixSeconds ? seconds : null;
        }
        catch (Exception exception) when (exception is JsonException or FormatException)
        {
            return null;
        }
    }
}
