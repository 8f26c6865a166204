using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Testing.Installations;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Cache;

/// <summary>One server, as an admin and as machines.</summary>
internal sealed record Replica(string Url, string Admin)
{
    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromMinutes(1) };

    public static async Task<Replica> ConnectAsync(string url, string data)
    {
        var replica = new Replica(url, await AdminToken.GetAsync(url, data));
        await replica.SendAsync(HttpMethod.Put, "/v1/workspaces/acme", replica.Admin, """{"spec":{}}""");
        return replica;
    }

    public async Task<string> MachineAsync(string repository)
    {
        var answer = await SendAsync(HttpMethod.Post, "/v1/workspaces/acme/machines", Admin, $$"""{"repository":"{{repository}}","ref":"refs/heads/main"}""");
        return answer.Json.GetProperty("token").GetString()!;
    }

    public Task<CacheAnswer> ReserveAsync(string token, string key) => TwirpAsync(token, "CreateCacheEntry", new JsonObject { ["key"] = key, ["version"] = "1" });

    public Task<CacheAnswer> FinaliseAsync(string token, string key, long size) =>
        TwirpAsync(token, "FinalizeCacheEntryUpload", new JsonObject { ["key"] = key, ["version"] = "1", ["size_bytes"] = size });

    public Task<CacheAnswer> LookUpAsync(string token, string key) => TwirpAsync(token, "GetCacheEntryDownloadURL", new JsonObject { ["key"] = key, ["version"] = "1" });

    public async Task<string?> FindAsync(string token, string key)
    {
        var answer = await LookUpAsync(token, key);
        return answer.Json.TryGetProperty("matched_key", out var found) ? found.GetString() : null;
    }

    public async Task<bool> SaveAsync(string token, string key, byte[] bytes) =>
        await PutAsync((await ReserveAsync(token, key)).Url, bytes) == HttpStatusCode.Created && (await FinaliseAsync(token, key, bytes.Length)).Json.GetProperty("ok").GetBoolean();

    public async Task<HttpStatusCode> PutAsync(string url, byte[] bytes)
    {
        using var response = await Http.PutAsync(new Uri(url), new ByteArrayContent(bytes));
        return response.StatusCode;
    }

    public Task<byte[]> GetAsync(string url) => Http.GetByteArrayAsync(new Uri(url));

    public async Task DeleteAsync(string key)
    {
        using var listing = new HttpRequestMessage(HttpMethod.Get, $"{Url}/v1/workspaces/acme/cache/entries?key={key}") { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", Admin) } };
        using var listed = await Http.SendAsync(listing);
        var id = JsonDocument.Parse(await listed.Content.ReadAsStringAsync()).RootElement.GetProperty("items")[0].GetProperty("id").GetString();
        using var deleting = new HttpRequestMessage(HttpMethod.Delete, $"{Url}/v1/workspaces/acme/cache/entries/{id}") { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", Admin) } };
        using var deleted = await Http.SendAsync(deleting);
        Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
    }

    private Task<CacheAnswer> TwirpAsync(string token, string method, JsonObject body) =>
        SendAsync(HttpMethod.Post, $"/twirp/github.actions.results.api.v1.CacheService/{method}", token, body.ToJsonString());

    private async Task<CacheAnswer> SendAsync(HttpMethod method, string path, string bearer, string json)
    {
        using var request = new HttpRequestMessage(method, Url + path) { Content = new StringContent(json, Encoding.UTF8, "application/json") };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", bearer);
        using var response = await Http.SendAsync(request);
        return new CacheAnswer(response.StatusCode, JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement.Clone(), null);
    }
}
