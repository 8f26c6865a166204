using System.Text.Json;
using Lanyard.Identity.Tokens;

namespace Lanyard.ClusterProxy.Impersonation;

/// <summary>Who the caller is inside the cluster (authentication/v1 UserInfo). Groups and extra values keep their order.</summary>
internal sealed record KubernetesUser(string Name)
{
    /// <summary>Begins names that Kubernetes keeps for itself.</summary>
    public const string Reserved = "system:";

    public const string Authenticated = "system:authenticated";

    /// <summary>The key under which API servers since 1.32 record a token's <c>jti</c>, as <c>JTI=…</c>.</summary>
    public const string CredentialId = "authentication.kubernetes.io/credential-id";

    /// <summary>The extra that tells which token it was; none for a token without <c>jti</c>.</summary>
    public static IReadOnlyList<ExtraValue> CredentialOf(VerifiedToken token) =>
        token.TokenId is { Length: > 0 } id ? [new ExtraValue(CredentialId, $"JTI={id}")] : [];

    public string? Uid { get; init; }

    public IReadOnlyList<string> Groups { get; init; } = [];

    public IReadOnlyList<ExtraValue> Extras { get; init; } = [];

    /// <summary>As authentication/v1 UserInfo: what is empty is left out.</summary>
    public void WriteJson(Utf8JsonWriter json, IReadOnlyList<string> groups)
    {
        json.WriteStartObject();
        json.WriteString("username", Name);
        if (Uid is not null)
        {
            json.WriteString("uid", Uid);
        }

        if (groups.Count > 0)
        {
            json.WritePropertyName("groups");
            WriteTexts(json, groups);
        }

        if (Extras.Count > 0)
        {
            json.WriteStartObject("extra");
            foreach (var extra in Extras.GroupBy(e => e.Key.ToLowerInvariant(), StringComparer.Ordinal))
            {
                json.WritePropertyName(extra.Key);
                WriteTexts(json, extra.Select(e => e.Value));
            }

            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void WriteTexts(Utf8JsonWriter json, IEnumerable<string> texts)
    {
        json.WriteStartArray();
        foreach (var text in texts)
        {
            json.WriteStringValue(text);
        }

        json.WriteEndArray();
    }
}

/// <summary>One value of an extra; a key with three values is three of these.</summary>
internal readonly record struct ExtraValue(string Key, string Value);
