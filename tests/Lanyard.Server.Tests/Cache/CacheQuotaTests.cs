using System.Net;
using System.Text.Json;
using Lanyard.Server.Cache.Limits;
using Lanyard.Server.Tests.Storage;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>A cache whose settings a test changes, and what is in it.</summary>
public abstract class CacheQuotaTests(DatabaseKind kind) : ClockedCacheTests(kind)
{
    private protected const string Home = "/v1/workspaces/acme/cache";

    private protected Task<Answer> CreateAsync(string bearer, string key) =>
        Cache.TwirpAsync(bearer, "CreateCacheEntry", $$"""{"key":"{{key}}","version":"{{CacheServer.Version}}"}""");

    private protected async Task SaveAsync(string bearer, string key, int length)
    {
        await Cache.SaveAsync(bearer, key, CacheServer.Random(length));
        Time.Advance(TimeSpan.FromSeconds(1));
    }

    /// <summary>Long enough for every URL that was given out to be dead.</summary>
    private protected Task ForgetReadsAsync()
    {
        Time.Advance(CacheEvictor.Hold + TimeSpan.FromSeconds(1));
        return Task.CompletedTask;
    }

    private protected async Task SetAsync(string settings)
    {
        var answer = await Cache.Server.PutAsync($"{Home}/settings", settings);
        Assert.True(answer.Status == HttpStatusCode.OK, answer.Body);
    }

    private protected Task<int> SweepAsync() => Cache.Server.Services.GetRequiredService<CacheEvictor>().SweepAsync(CancellationToken.None);

    private protected async Task<List<JsonElement>> EntriesAsync(string query) =>
        [.. (await Cache.Server.GetAsync($"{Home}/entries{query}")).Json.GetProperty("items").EnumerateArray()];

    private protected async Task<List<string>> UsageAsync(string query) =>
    [
        .. (await Cache.Server.GetAsync($"{Home}/usage{query}")).Json.GetProperty("rows").EnumerateArray()
            .Select(row => $"{row.GetProperty("name").GetString()} {row.GetProperty("entries").GetInt64()} {row.GetProperty("bytes").GetInt64()}"),
    ];
}
