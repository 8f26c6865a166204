using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lanyard.Cli;

/// <summary>Words of a shell and of HCL that end nowhere but at their end.</summary>
internal static class Quoted
{
    public static string Shell(string word) => $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    /// <summary>HCL also reads <c>${</c> and <c>%{</c> inside quotes.</summary>
    public static string Hcl(string text) =>
        $"\"{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("${", "$${", StringComparison.Ordinal).Replace("%{", "%%{", StringComparison.Ordinal)}\"";

    public static string Cel(string text) => $"'{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}'";

    public static string Yaml(string text) => JsonSerializer.Serialize(text, QuotedText.Default.String);
}

[JsonSerializable(typeof(string))]
internal sealed partial class QuotedText : JsonSerializerContext;
