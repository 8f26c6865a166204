using System.Text.Json.Nodes;

namespace Lanyard.Testing.Installations;

/// <summary>Tokens for tokens, at the issuer of a workspace.</summary>
public static class Exchanges
{
    /// <returns>Null where it was refused.</returns>
    public static async Task<string?> ExchangeAsync(this Installation installation, string workspace, string subject, string audience)
    {
        using var http = new HttpClient();
        using var form = new FormUrlEncodedContent(
        [
            new("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), new("subject_token", subject), new("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            new("audience", audience),
        ]);
        using var answer = await http.PostAsync(new Uri(installation.IssuerOf(workspace) + "/token"), form);
        return (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["access_token"];
    }
}
