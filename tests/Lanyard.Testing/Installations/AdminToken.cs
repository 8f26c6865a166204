using System.Text.Json.Nodes;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.OAuth;

namespace Lanyard.Testing.Installations;

/// <summary>An API token of the admin of a data folder, by an assertion of its key (RFC 7523).</summary>
public static class AdminToken
{
    public static async Task<string> GetAsync(string url, string dataFolder, HttpMessageHandler? handler = null)
    {
        using var key = SigningKey.FromPem(await File.ReadAllTextAsync(Path.Combine(dataFolder, "admin-key.pem"))).Value;
        var now = TimeProvider.System.GetUtcNow();
        var id = "key_" + key.KeyId;
        var assertion = TokenMint.Mint(key, OAuthNames.TypJwt, new TokenClaims
        {
            Issuer = id,
            Subject = id,
            Audiences = [url],
            IssuedAt = now,
            ExpiresAt = now.AddSeconds(60),
            TokenId = Guid.NewGuid().ToString("N"),
        });
        using var client = handler is null ? new HttpClient() : new HttpClient(handler, disposeHandler: false);
        using var form = new FormUrlEncodedContent(
        [
            KeyValuePair.Create("grant_type", OAuthNames.GrantClientCredentials),
            KeyValuePair.Create("client_assertion_type", OAuthNames.ClientAssertionJwtBearer),
            KeyValuePair.Create("client_assertion", assertion),
        ]);
        using var response = await client.PostAsync(new Uri(url + "/token"), form);
        var text = await response.Content.ReadAsStringAsync();
        return response.IsSuccessStatusCode
            ? JsonNode.Parse(text)!["access_token"]!.GetValue<string>()
            : throw new InvalidOperationException($"{response.StatusCode}: {text}");
    }
}
