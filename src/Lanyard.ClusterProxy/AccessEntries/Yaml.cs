using System.Text.Encodings.Web;
using System.Text.Json;

namespace Lanyard.ClusterProxy.AccessEntries;

/// <summary>Text in YAML that we write: quoted as JSON, which YAML reads, so that no text becomes anything else.</summary>
internal static class Yaml
{
    private static readonly JsonSerializerOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Text(string text) => $"\"{JsonEncodedText.Encode(text, Options.Encoder)}\"";

    public static string List(IEnumerable<string> texts) => $"[{string.Join(", ", texts.Select(Text))}]";
}
