using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Lanyard.Testing.Installations;

namespace Lanyard.Bench.Cache;

/// <summary>A server of its own with one machine of a repository, spoken to as the cache's clients do; its limits are out of the way.</summary>
internal sealed class CacheBed : IAsyncDisposable
{
    public const string Version = "27f8be18ef5e1caed930dca7d1eee52027a00251f123574ae008fb5bc130f5ca";
    private const string Service = "/twirp/github.actions.results.api.v1.CacheService/";
    private readonly Installation _installation;
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromMinutes(10) };

    private CacheBed(Installation installation) => _installation = installation;

    public Uri Url => new(_installation.Url);

    public int ServerId => _installation.Server.Id;

    public string DataFolder => _installation.DataFolder;

    /// <summary>The machine's; good for hours.</summary>
    public string Token { get; private set; } = "";

    public static async Task<CacheBed> StartAsync(string? database = null)
    {
        var bed = new CacheBed(await Installation.StartAsync(database));
        await bed._installation.ApplyAsync(Documents.Workspace("acme"));
        await bed.SetLimitsAsync(repositoryBytes: 1L << 45);
        var made = await bed.AdminAsync(
            HttpMethod.Post, "machines", """{"repository":"demo/app","ref":"refs/heads/feature","defaultRef":"refs/heads/main","lifetimeSeconds":36000}""");
        bed.Token = made.GetProperty("token").GetString()!;
        return bed;
    }

    public Task StopServerAsync() => _installation.KillServerAsync();

    /// <summary>The same installation again; its URL stays.</summary>
    public Task ResumeAsync() => _installation.StartServerAsync();

    public async Task SetLimitsAsync(long repositoryBytes)
    {
        var limits = string.Create(CultureInfo.InvariantCulture, $$"""{"entriesPerMinute":0,"workspaceBytes":{{1L << 45}},"repositoryBytes":{{repositoryBytes}}}""");
        await AdminAsync(HttpMethod.Put, "cache/settings", limits);
    }

    /// <returns>Entries, and what they have in bytes.</returns>
    public async Task<(long Entries, long Bytes)> UsageAsync()
    {
        var usage = await AdminAsync(HttpMethod.Get, "cache/usage");
        return (usage.GetProperty("entries").GetInt64(), usage.GetProperty("bytes").GetInt64());
    }

    /// <returns>The URL to upload to.</returns>
    public async Task<string> ReserveAsync(string key) =>
        (await TwirpAsync("CreateCacheEntry", new { key, version = Version })).GetProperty("signed_upload_url").GetString()!;

    public async Task FinaliseAsync(string key, long size)
    {
        var answer = await TwirpAsync("FinalizeCacheEntryUpload", new { key, version = Version, size_bytes = size });
        if (!answer.GetProperty("ok").GetBoolean())
            throw new InvalidOperationException(answer.GetRawText());
    }

    /// <returns>The URL to download from; good for ten minutes.</returns>
    public async Task<string> FindAsync(string key) =>
        (await TwirpAsync("GetCacheEntryDownloadURL", new { key, version = Version })).GetProperty("signed_download_url").GetString()!;

    /// <summary>Reserve, upload, finalise.</summary>
    public async Task SaveAsync(string key, byte[] bytes)
    {
        var url = await ReserveAsync(key);
        using var content = new ByteArrayContent(bytes);
        using var response = await _http.PutAsync(new Uri(url), content);
        if (response.StatusCode != HttpStatusCode.Created)
            throw new InvalidOperationException($"the upload was answered {response.StatusCode}");
        await FinaliseAsync(key, bytes.Length);
    }

    /// <summary>Every entry of the repository, with its bytes.</summary>
    public Task DeleteAllAsync() => AdminAsync(HttpMethod.Post, "cache/delete", """{"producer":{"repository":"demo/app"}}""");

    public async Task<int> ReadAsync(string key) => (await _http.GetByteArrayAsync(new Uri(await FindAsync(key)))).Length;

    /// <summary>The bytes of a Twirp request, for a connection that costs little.</summary>
    public byte[] Request(string method, string json) => Parts.LeanHttp.Request(Url, "POST", Service + method, Token, "application/json", Encoding.UTF8.GetBytes(json));

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _installation.DisposeAsync();
    }

    private Task<JsonElement> TwirpAsync(string method, object body) => SendAsync(HttpMethod.Post, Service + method, Token, JsonSerializer.Serialize(body), null);

    private async Task<JsonElement> AdminAsync(HttpMethod method, string path, string? json = null)
    {
        var token = await _installation.AdminTokenAsync();
        var where = "/v1/workspaces/acme/" + path;
        if (method != HttpMethod.Put)
            return await SendAsync(method, where, token, json, null);
        using var get = new HttpRequestMessage(HttpMethod.Get, _installation.Url + where);
        get.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var before = await _http.SendAsync(get);
        return await SendAsync(method, where, token, json, before.Headers.ETag);
    }

    private async Task<JsonElement> SendAsync(HttpMethod method, string path, string token, string? json, EntityTagHeaderValue? version)
    {
        using var request = new HttpRequestMessage(method, _installation.Url + path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (version is not null)
            request.Headers.IfMatch.Add(version);
        if (json is not null)
            request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        using var response = await _http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return response.IsSuccessStatusCode
            ? JsonDocument.Parse(text.Length == 0 ? "{}" : text).RootElement.Clone()
            : throw new InvalidOperationException($"{method} {path}: {response.StatusCode} {text}");
    }
}
