using System.Text;
using System.Text.Json;
using Lanyard.Bench.Parts;

namespace Lanyard.Bench.Cache;

/// <summary>Many connections that make small entries and look them up, each one request at a time.</summary>
internal sealed class EntryLoad : IDisposable
{
    /// <summary>Of each entry.</summary>
    public const int EntryBytes = 500;

    private readonly CacheBed _bed;
    private readonly List<LeanHttp> _connections = [];

    private EntryLoad(CacheBed bed) => _bed = bed;

    public static async Task<EntryLoad> StartAsync(CacheBed bed, int connections)
    {
        var load = new EntryLoad(bed);
        for (var i = 0; i < connections; i++)
            load._connections.Add(await LeanHttp.ConnectAsync(bed.Url));
        return load;
    }

    /// <returns>The upload URLs.</returns>
    public async Task<byte[][]> ReserveAsync(string name, int count)
    {
        var uploads = new byte[count][];
        var requests = Requests(count, i => _bed.Request("CreateCacheEntry", $$"""{"key":"{{name}}-{{i}}","version":"{{CacheBed.Version}}"}"""));
        await SpreadAsync(count, async (http, i) => uploads[i] = UploadOf(await http.SendAsync(requests[i])));
        return uploads;
    }

    public Task UploadAsync(byte[][] uploads) => SpreadAsync(uploads.Length, (http, i) => http.SendAsync(uploads[i]));

    public async Task FinaliseAsync(string name, int count)
    {
        var requests = Requests(count, i => _bed.Request("FinalizeCacheEntryUpload", $$"""{"key":"{{name}}-{{i}}","version":"{{CacheBed.Version}}","size_bytes":"{{Content.Length}}"}"""));
        await SpreadAsync(count, async (http, i) =>
        {
            if ((await http.SendAsync(requests[i])).Span.IndexOf("\"ok\":true"u8) < 0)
                throw new InvalidOperationException("not finalised");
        });
    }

    /// <summary>Looks up, one after the other on each connection.</summary>
    /// <param name="isHit">What each must answer.</param>
    /// <param name="connections">On no more than these; null: on all.</param>
    /// <returns>How long each took, in milliseconds.</returns>
    public async Task<List<double>> LookUpAsync(IReadOnlyList<byte[]> requests, bool isHit, int? connections = null)
    {
        var times = new double[requests.Count];
        await SpreadAsync(requests.Count, async (http, i) =>
        {
            var began = TimeProvider.System.GetTimestamp();
            var found = (await http.SendAsync(requests[i])).Span.IndexOf("\"ok\":true"u8) >= 0;
            times[i] = TimeProvider.System.GetElapsedTime(began).TotalMilliseconds;
            if (found != isHit)
                throw new InvalidOperationException($"look-up {i} found {(found ? "something" : "nothing")}");
        }, connections);
        return [.. times];
    }

    /// <summary>Restores: a look-up and the download, again and again.</summary>
    /// <returns>Restores a second.</returns>
    public async Task<double> RestoreAsync(string name, int count, TimeSpan duration)
    {
        var requests = Requests(count, i => _bed.Request("GetCacheEntryDownloadURL", $$"""{"key":"{{name}}-{{i}}","version":"{{CacheBed.Version}}"}"""));
        var began = TimeProvider.System.GetTimestamp();
        var done = await Task.WhenAll(_connections.Select(async (http, at) =>
        {
            var restored = 0;
            for (; TimeProvider.System.GetElapsedTime(began) < duration; restored++)
            {
                var url = UrlOf(await http.SendAsync(requests[(at + (restored * _connections.Count)) % count]), "signed_download_url");
                await http.SendAsync(LeanHttp.Request(_bed.Url, "GET", url.PathAndQuery, null, "application/octet-stream", []));
            }
            return restored;
        }));
        return done.Sum() / TimeProvider.System.GetElapsedTime(began).TotalSeconds;
    }

    public void Dispose()
    {
        foreach (var connection in _connections)
            connection.Dispose();
    }

    private static byte[] Content { get; } = Encoding.ASCII.GetBytes(new string('x', EntryBytes));

    private byte[] UploadOf(ReadOnlyMemory<byte> answer) =>
        LeanHttp.Request(_bed.Url, "PUT", UrlOf(answer, "signed_upload_url").PathAndQuery, null, "application/octet-stream", Content);

    private static Uri UrlOf(ReadOnlyMemory<byte> answer, string member)
    {
        var reader = new Utf8JsonReader(answer.Span);
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.PropertyName && reader.ValueTextEquals(member) && reader.Read())
                return new Uri(reader.GetString()!);
        }
        throw new InvalidOperationException(Encoding.UTF8.GetString(answer.Span));
    }

    private static byte[][] Requests(int count, Func<int, byte[]> make) => [.. Enumerable.Range(0, count).Select(make)];

    private Task SpreadAsync(int count, Func<LeanHttp, int, Task> work, int? connections = null)
    {
        var next = -1;
        return Task.WhenAll(_connections.Take(connections ?? _connections.Count).Select(async http =>
        {
            for (int i; (i = Interlocked.Increment(ref next)) < count;)
                await work(http, i);
        }));
    }
}
