using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Testing.Installations;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Cache;

/// <summary>A real server with workspace <c>acme</c>, spoken to as its clients do, with real runtime tokens.</summary>
public sealed class CacheInstallation : IAsyncLifetime
{
    public const string Version = "27f8be18ef5e1caed930dca7d1eee52027a00251f123574ae008fb5bc130f5ca";

    private HttpClient _admin = null!;

    internal Installation Installation { get; private set; } = null!;

    internal HttpClient Http { get; } = new() { Timeout = TimeSpan.FromMinutes(2) };

    internal string Url => Installation.Url;

    public async ValueTask InitializeAsync()
    {
        Installation = await Installation.StartAsync();
        await Installation.ApplyAsync(Documents.Workspace("acme"), Documents.Workspace("other"));
        _admin = Installation.CreateClient(await Installation.AdminTokenAsync());
    }

    /// <returns>Id and runtime token.</returns>
    internal async Task<(string Id, string Token)> MachineAsync(string repository, string gitRef = "refs/heads/main", string more = "", string workspace = "acme")
    {
        using var content = new StringContent($$"""{"repository":"{{repository}}","ref":"{{gitRef}}"{{more}}}""", Encoding.UTF8, "application/json");
        using var response = await _admin.PostAsync(new Uri($"{Url}/v1/workspaces/{workspace}/machines"), content);
        var json = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        return (json["machine"]!["id"]!.GetValue<string>(), json["token"]!.GetValue<string>());
    }

    internal async Task EndAsync(string machine)
    {
        using var response = await _admin.DeleteAsync(new Uri($"{Url}/v1/workspaces/acme/machines/{machine}"));
        response.EnsureSuccessStatusCode();
    }

    internal async Task<JsonElement> AdminAsync(HttpMethod method, string path, string? json = null)
    {
        using var request = new HttpRequestMessage(method, $"{Url}/v1/workspaces/acme/cache/{path}");
        if (json is not null) request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        using var response = await _admin.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        return text.Length == 0 ? default : JsonDocument.Parse(text).RootElement.Clone();
    }

    internal async Task<CacheAnswer> TwirpAsync(string token, string method, object body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"{Url}/twirp/github.actions.results.api.v1.CacheService/{method}");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        request.Content = new StringContent(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");
        using var response = await Http.SendAsync(request);
        Assert.Equal("application/json", response.Content.Headers.ContentType?.MediaType);
        return new CacheAnswer(response.StatusCode, JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement.Clone(), response.Headers.RetryAfter?.Delta);
    }

    internal Task<CacheAnswer> ReserveAsync(string token, string key, string version = Version) => TwirpAsync(token, "CreateCacheEntry", new { key, version });

    internal Task<CacheAnswer> FinaliseAsync(string token, string key, long size, string version = Version) =>
        TwirpAsync(token, "FinalizeCacheEntryUpload", new { key, version, size_bytes = size.ToString(System.Globalization.CultureInfo.InvariantCulture) });

    internal Task<CacheAnswer> LookUpAsync(string token, string key, string[]? restore = null, string version = Version) =>
        TwirpAsync(token, "GetCacheEntryDownloadURL", new { key, version, restore_keys = restore ?? [] });

    /// <returns>The key found; null on a miss.</returns>
    internal async Task<string?> FindAsync(string token, string key, params string[] restore)
    {
        var answer = await LookUpAsync(token, key, restore);
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        return answer.Json.GetProperty("ok").GetBoolean() ? answer.Json.GetProperty("matched_key").GetString() : null;
    }

    internal async Task<HttpStatusCode> PutAsync(string url, byte[] bytes)
    {
        using var content = new ByteArrayContent(bytes);
        using var response = await Http.PutAsync(new Uri(url), content);
        return response.StatusCode;
    }

    internal Task<HttpStatusCode> PutBlockAsync(string url, string id, byte[] bytes) => PutAsync($"{url}&comp=block&blockid={Uri.EscapeDataString(BlockId(id))}", bytes);

    internal Task<HttpStatusCode> PutListAsync(string url, params string[] ids) => PutAsync(
        url + "&comp=blocklist", Encoding.UTF8.GetBytes($"<?xml version=\"1.0\"?><BlockList>{string.Concat(ids.Select(static id => $"<Latest>{BlockId(id)}</Latest>"))}</BlockList>"));

    /// <summary>64 bytes, as BuildKit's client has them.</summary>
    internal static string BlockId(string id) => Convert.ToBase64String(Encoding.ASCII.GetBytes(id.PadRight(64, '.')));

    internal async Task SaveAsync(string token, string key, byte[]? bytes = null, string version = Version)
    {
        bytes ??= Encoding.UTF8.GetBytes(key);
        var reserved = await ReserveAsync(token, key, version);
        Assert.True(reserved.Json.TryGetProperty("signed_upload_url", out var url), reserved.Json.GetRawText());
        Assert.Equal(HttpStatusCode.Created, await PutAsync(url.GetString()!, bytes));
        var finalised = await FinaliseAsync(token, key, bytes.Length, version);
        Assert.True(finalised.Json.GetProperty("ok").GetBoolean(), finalised.Json.GetRawText());
    }

    public async ValueTask DisposeAsync()
    {
        _admin.Dispose();
        Http.Dispose();
        await Installation.DisposeAsync();
    }
}

internal sealed record CacheAnswer(HttpStatusCode Status, JsonElement Json, TimeSpan? RetryAfter)
{
    public string? Code => Json.TryGetProperty("code", out var code) ? code.GetString() : null;

    public string Url => (Json.TryGetProperty("signed_upload_url", out var url) || Json.TryGetProperty("signed_download_url", out url)) ? url.GetString()! : "";
}
