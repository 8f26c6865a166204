using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Lanyard.Credentials.Kubernetes;

/// <summary>What an exec plugin prints for kubectl (client.authentication.k8s.io), in the version that kubectl asks for.</summary>
internal static class ExecCredential
{
    public const string V1 = "client.authentication.k8s.io/v1";
    public const string V1Beta1 = "client.authentication.k8s.io/v1beta1";

    /// <summary>kubectl says the version in <c>KUBERNETES_EXEC_INFO</c>; without it, v1beta1, which kubectl 1.20 to 1.33 all take.</summary>
    public static string? VersionFor(string? execInfo)
    {
        if (string.IsNullOrEmpty(execInfo))
        {
            return V1Beta1;
        }

        try
        {
            using var document = JsonDocument.Parse(execInfo);
            return document.RootElement.GetProperty("apiVersion").GetString() switch { V1 => V1, V1Beta1 => V1Beta1, _ => null };
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            return null;
        }
    }

    /// <param name="expires">kubectl asks again after it; null when the token does not say.</param>
    public static string Write(string version, string token, DateTimeOffset? expires)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("kind", "ExecCredential");
            writer.WriteString("apiVersion", version);
            writer.WriteStartObject("spec");
            if (version == V1)
            {
                writer.WriteBoolean("interactive", false);
            }

            writer.WriteEndObject();
            writer.WriteStartObject("status");
            if (expires is { } end)
            {
                writer.WriteString("expirationTimestamp", end.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture));
            }

            writer.WriteString("token", token);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
