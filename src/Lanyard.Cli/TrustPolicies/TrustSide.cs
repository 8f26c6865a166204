namespace Lanyard.Cli.TrustPolicies;

/// <summary>What the other side must be told: whose tokens, for whom, and which subject.</summary>
/// <param name="Subject">Exact.</param>
/// <param name="WorkspaceId">The tenant, which no other owner can get again.</param>
internal sealed record TrustSide(string Issuer, string Audience, string Subject, string WorkspaceId, string Name)
{
    /// <summary>The issuer without its scheme, as AWS names a provider and its condition keys.</summary>
    public string Host => Issuer[(Issuer.IndexOf("://", StringComparison.Ordinal) + 3)..];
}

/// <summary>Words of a shell and of HCL that end nowhere but at their end.</summary>
internal static class Quoted
{
    public static string Shell(string word) => $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    /// <summary>HCL also reads <c>${</c> and <c>%{</c> inside quotes.</summary>
    public static string Hcl(string text) =>
        $"\"{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("${", "$${", StringComparison.Ordinal).Replace("%{", "%%{", StringComparison.Ordinal)}\"";

    public static string Cel(string text) => $"'{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}'";

    public static string Yaml(string text) => System.Text.Json.JsonSerializer.Serialize(text, TrustText.Default.String);
}

[System.Text.Json.Serialization.JsonSerializable(typeof(string))]
internal sealed partial class TrustText : System.Text.Json.Serialization.JsonSerializerContext;
