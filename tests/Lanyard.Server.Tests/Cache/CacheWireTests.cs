using System.Net;
using System.Net.Http.Headers;
using Lanyard.Server.Tests.Storage;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>A server with a cache for each test, and the calls of protocol v1.</summary>
public abstract class CacheWireTests(DatabaseKind kind) : IAsyncLifetime
{
    private protected CacheServer Cache { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Cache = await CacheServer.StartAsync(kind);

    public async ValueTask DisposeAsync()
    {
        if (Cache is not null) await Cache.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private protected const string V1 = "/runtime/cache/_apis/artifactcache/";

    private protected async Task<string> ReserveV1Async(string machine, string key, long size)
    {
        var answer = await Cache.Server.SendAsync(HttpMethod.Post, $"{V1}caches", machine, $$"""{"key":"{{key}}","version":"v","cacheSize":{{size}}}""");
        Assert.Equal(HttpStatusCode.Created, answer.Status);
        return answer.Json.GetProperty("cacheId").GetInt64().ToString(System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>As the client sends it: chunked, without a length.</summary>
    private protected async Task<HttpStatusCode> ChunkAsync(string machine, string id, long offset, byte[] bytes)
    {
        using var request = new HttpRequestMessage(HttpMethod.Patch, $"{V1}caches/{id}") { Content = new StreamContent(new MemoryStream(bytes)) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", machine);
        request.Headers.TransferEncodingChunked = true;
        request.Content.Headers.TryAddWithoutValidation("Content-Range", $"bytes {offset}-{offset + bytes.Length - 1}/*");
        using var response = await Cache.Client.SendAsync(request);
        return response.StatusCode;
    }
}
