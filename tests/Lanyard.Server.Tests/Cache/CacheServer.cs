using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Lanyard.Server.Cache;
using Lanyard.Server.Cache.Blobs;
using Lanyard.Server.Http;
using Lanyard.Server.Runtime;
using Lanyard.Server.Tests.Storage;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>A server with the cache, workspace <c>acme</c>, and machines whose bearer is their id.</summary>
internal sealed class CacheServer : IAsyncDisposable
{
    public const string Service = "/twirp/github.actions.results.api.v1.CacheService/";
    public const string Version = "27f8be18ef5e1caed930dca7d1eee52027a00251f123574ae008fb5bc130f5ca";

    private readonly DirectoryInfo _folder;

    private CacheServer(TestServer server, DirectoryInfo folder)
    {
        Server = server;
        _folder = folder;
    }

    public TestServer Server { get; }

    public HttpClient Client => Server.Client;

    public string Url => Client.BaseAddress!.GetLeftPart(UriPartial.Authority);

    /// <summary>Every file that the driver has.</summary>
    public IReadOnlyList<string> Files => [.. Directory.GetFiles(_folder.FullName, "*", SearchOption.AllDirectories).Where(static file => Path.GetFileName(file) != FileBlobs.MarkerName)];

    public static async Task<CacheServer> StartAsync(
        DatabaseKind kind = DatabaseKind.Sqlite, TimeProvider? time = null, Func<CacheOptions, CacheOptions>? configure = null, RuntimeQuestions? questions = null,
        Action<IServiceCollection>? more = null)
    {
        var folder = Directory.CreateTempSubdirectory("lanyard-cache-");
        var options = new CacheOptions { Folder = folder.FullName };
        var server = await TestServer.StartAsync(
            kind,
            services =>
            {
                services.AddRuntime(provider => questions ?? RuntimeSubjects.Questions(provider)).AddCache(configure?.Invoke(options) ?? options, new byte[32]);
                more?.Invoke(services);
            },
            app =>
            {
                app.MapRuntime();
                app.MapCache();
            },
            time);
        await server.MakeWorkspaceAsync("acme");
        return new CacheServer(server, folder);
    }

    /// <returns>Its id, which is its bearer here.</returns>
    /// <param name="gitRef">Null: it says none.</param>
    public async Task<string> MachineAsync(string repository = "demo/app", string? gitRef = "refs/heads/main", string more = "", string workspace = "acme")
    {
        var said = gitRef is null ? "" : $$""","ref":"{{gitRef}}" """;
        var answer = await Server.SendAsync(HttpMethod.Post, $"/v1/workspaces/{workspace}/machines", "admin", $$"""{"repository":"{{repository}}"{{said}}{{more}}}""");
        Assert.True((int)answer.Status == 201, answer.Body);
        var id = answer.Json.GetProperty("machine").GetProperty("id").GetString()!;
        var owner = (await Server.GetAsync($"/v1/workspaces/{workspace}")).Json.GetProperty("id").GetString();
        Server.Be(new Principal
        {
            Kind = PrincipalKind.Machine,
            Name = id,
            SubjectId = id,
            WorkspaceId = owner,
            TokenSha256 = new string('1', 64),
            ExpiresAt = DateTimeOffset.MaxValue,
        });
        return id;
    }

    public Task<Answer> TwirpAsync(string? bearer, string method, string json) => Server.SendAsync(HttpMethod.Post, Service + method, bearer, json);

    /// <returns>The upload URL.</returns>
    public async Task<string> ReserveAsync(string bearer, string key, string version = Version)
    {
        var answer = await TwirpAsync(bearer, "CreateCacheEntry", $$"""{"key":{{Text(key)}},"version":"{{version}}"}""");
        Assert.True(answer.Json.TryGetProperty("signed_upload_url", out var url), answer.Body);
        return url.GetString()!;
    }

    public Task<Answer> FinalizeAsync(string bearer, string key, long size, string version = Version) =>
        TwirpAsync(bearer, "FinalizeCacheEntryUpload", $$"""{"key":{{Text(key)}},"size_bytes":"{{size}}","version":"{{version}}"}""");

    public Task<Answer> LookUpAsync(string bearer, string key, string[]? restoreKeys = null, string version = Version) =>
        TwirpAsync(
            bearer,
            "GetCacheEntryDownloadURL",
            $$"""{"key":{{Text(key)}},"restore_keys":[{{string.Join(',', (restoreKeys ?? []).Select(Text))}}],"version":"{{version}}"}""");

    /// <summary>Reserve, upload in one go, finalise.</summary>
    public async Task SaveAsync(string bearer, string key, byte[] content, string version = Version)
    {
        var url = await ReserveAsync(bearer, key, version);
        Assert.Equal(201, (int)(await PutAsync(url, content)).StatusCode);
        var answer = await FinalizeAsync(bearer, key, content.Length, version);
        Assert.True(answer.Json.GetProperty("ok").GetBoolean(), answer.Body);
    }

    public Task SaveAsync(string bearer, string key) => SaveAsync(bearer, key, Encoding.UTF8.GetBytes(key));

    /// <returns>The key found, or null on a miss.</returns>
    public async Task<string?> FindAsync(string bearer, string key, params string[] restoreKeys)
    {
        var answer = await LookUpAsync(bearer, key, restoreKeys);
        Assert.True((int)answer.Status == 200, answer.Body);
        return answer.Json.GetProperty("ok").GetBoolean() ? answer.Json.GetProperty("matched_key").GetString() : null;
    }

    public async Task<string> DownloadUrlAsync(string bearer, string key) =>
        (await LookUpAsync(bearer, key)).Json.GetProperty("signed_download_url").GetString()!;

    public async Task<HttpResponseMessage> PutAsync(string url, byte[] content, string query = "")
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, url + query) { Content = new ByteArrayContent(content) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        request.Headers.Add("x-ms-blob-type", "BlockBlob");
        request.Headers.Add("x-ms-version", "2099-01-01");
        return await Client.SendAsync(request);
    }

    public Task<HttpResponseMessage> PutListAsync(string url, params string[] ids) =>
        PutAsync(
            url,
            Encoding.UTF8.GetBytes($"<?xml version=\"1.0\"?><BlockList>{string.Concat(ids.Select(id => $"<Latest>{id}</Latest>"))}</BlockList>"),
            "&comp=blocklist&timeout=30");

    public static string BlockId(string name) => Convert.ToBase64String(Encoding.UTF8.GetBytes(name.PadRight(48, '-')));

    public static byte[] Random(int length, int seed = 1)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private static string Text(string text) => $"\"{JsonEncodedText.Encode(text)}\"";
}
