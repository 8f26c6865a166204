using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.OAuth;
using Lanyard.Server.Tests.Federation;
using Lanyard.Testing;

namespace Lanyard.Server.Tests.Exchange;

/// <summary>A server that trusts one issuer in the workspace <c>acme</c>, and raw answers of its OAuth endpoints, headers included.</summary>
internal sealed class ExchangeServer : IAsyncDisposable
{
    public const string Audience = "https://sts.example";

    private readonly HttpClient _http = new();

    private ExchangeServer(DoorServer door, TestIssuer issuer) => (Door, Issuer) = (door, issuer);

    public DoorServer Door { get; }

    public TestIssuer Issuer { get; }

    public string Url => Door.Url;

    public static async Task<ExchangeServer> StartAsync(TimeProvider? time = null)
    {
        var server = new ExchangeServer(await DoorServer.StartAsync(time), await TestIssuer.StartAsync(time));
        foreach (var workspace in (string[])["acme", "other"]) await server.Door.PutAsync($"/v1/workspaces/{workspace}", "{}");
        await server.Door.PutAsync(
            "/v1/workspaces/acme/trusted-issuers/ci", $$$"""{"issuer":"{{{server.Issuer.Issuer}}}","allowPrivateAddresses":true,"keys":{"discovery":{} } }""");
        await server.AllowAsync("ci", $$$"""{"roles":["viewer"],"audiences":["{{{Audience}}}"] }""");
        return server;
    }

    /// <summary>A policy for one subject of the issuer.</summary>
    public Task AllowAsync(string subject, string allow) =>
        Door.PutAsync($"/v1/workspaces/acme/trust-policies/{subject}", $$$"""{"issuer":"ci","claims":{"sub":"{{{subject}}}"},"allow":{{{allow}}} }""");

    public string Workload(string subject = "ci", Action<JsonObject>? change = null) => Issuer.Mint(Url, subject, change);

    /// <summary>An identity token of the workspace for <see cref="Audience"/>.</summary>
    public async Task<string> IdentityTokenAsync() =>
        (await ExchangeAsync("/oidc/acme/token", Workload(), ("audience", Audience))).Json["access_token"]!.GetValue<string>();

    public async Task<string> ApiTokenAsync(string subject = "ci") => (await ExchangeAsync("/token", Workload(subject))).Json["access_token"]!.GetValue<string>();

    public Task<OAuthAnswer> ExchangeAsync(string path, string token, params (string Name, string Value)[] more) => PostAsync(
        path,
        null,
        [("grant_type", OAuthNames.GrantTokenExchange), ("subject_token", token), ("subject_token_type", OAuthNames.TokenTypeJwt), .. more]);

    public async Task<OAuthAnswer> PostAsync(string path, string? bearer, params (string Name, string Value)[] fields)
    {
        using var form = new FormUrlEncodedContent(fields.Select(static field => KeyValuePair.Create(field.Name, field.Value)));
        return await PostAsync(path, bearer, form);
    }

    public async Task<OAuthAnswer> PostAsync(string path, string? bearer, HttpContent content)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Url + path) { Content = content };
        if (bearer is not null) request.Headers.Authorization = new("Bearer", bearer);
        using var response = await _http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return new OAuthAnswer(
            response.StatusCode, text.Length == 0 ? new JsonObject() : JsonNode.Parse(text)!, response.Headers.CacheControl?.NoStore ?? false, response.Headers.WwwAuthenticate.Count > 0);
    }

    /// <summary>Events of one action about one token, oldest first.</summary>
    public async Task<List<JsonElement>> EventsAsync(string action, string? token = null)
    {
        var hash = token is null ? null : TokenHash.Of(token.AsSpan()).ToString();
        return [.. (await Door.AuditAsync(action)).Select(static line => JsonDocument.Parse(line).RootElement.GetProperty("event"))
            .Where(body => hash is null || (body.TryGetProperty("tokenSha256", out var seen) && seen.GetString() == hash))];
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await Door.DisposeAsync();
        await Issuer.DisposeAsync();
    }
}

internal sealed record OAuthAnswer(HttpStatusCode Status, JsonNode Json, bool IsNotStored, bool AsksForCredentials)
{
    public string? Error => (Json as JsonObject)?["error"]?.GetValue<string>();

    public string? Description => (Json as JsonObject)?["error_description"]?.GetValue<string>();
}
