using System.IO.Pipelines;
using System.Net.Sockets;
using System.Text;
using Lanyard.Server.Cache.Blobs;
using Lanyard.Server.Cache.Limits;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>Who sends slowly, and who reads as fast as we send, in the others' way.</summary>
[Line("4.4")]
public sealed class SlowClientTests
{
    private const int Slow = 50;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);

    [Fact]
    [Line("4.7")]
    public async Task Fifty_who_stop_sending_hold_nobody_up_are_cut_off_and_leave_nothing()
    {
        await using var server = await CacheServer.StartAsync(configure: static options => options with { UploadPatience = TimeSpan.FromSeconds(5) });
        var machine = await server.MachineAsync();
        var url = new Uri(await server.ReserveAsync(machine, "slow"));
        var silent = await Task.WhenAll(Enumerable.Range(0, Slow).Select(i => StopSendingAsync(url, i)));
        await Eventually.HoldsAsync(() => Task.FromResult(server.Files.Count == Slow), "a file of each of them", Deadline);

        await server.SaveAsync(machine, "other", CacheServer.Random(3 << 20));
        Assert.Equal(CacheServer.Random(3 << 20), await server.Client.GetByteArrayAsync(await server.DownloadUrlAsync(machine, "other")));

        foreach (var one in silent)
        {
            Assert.StartsWith("HTTP/1.1 408 ", await AnswerAsync(one), StringComparison.Ordinal);
            one.Dispose();
        }

        await Eventually.HoldsAsync(() => Task.FromResult(server.Files.Count == 1), "no file but the other entry's", Deadline);
        Assert.Equal(201, (int)(await server.PutAsync(url.AbsoluteUri, [1, 2])).StatusCode);
        Assert.True((await server.FinalizeAsync(machine, "slow", 2)).Json.GetProperty("ok").GetBoolean());
    }

    [Fact]
    [Line("4.7")]
    public async Task Ten_who_stop_reading_hold_nobody_up_and_in_the_end_nothing()
    {
        await using var server = await CacheServer.StartAsync();
        var machine = await server.MachineAsync();
        await server.SaveAsync(machine, "large", CacheServer.Random(32 << 20));
        var url = new Uri(await server.DownloadUrlAsync(machine, "large"));
        var reads = server.Server.Services.GetRequiredService<BlobReads>();
        var deaf = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => StopReadingAsync(url)));
        Assert.NotEmpty(reads.All);

        await server.SaveAsync(machine, "other", CacheServer.Random(3 << 20));
        Assert.Equal(CacheServer.Random(3 << 20), await server.Client.GetByteArrayAsync(await server.DownloadUrlAsync(machine, "other")));

        await Eventually.HoldsAsync(() => Task.FromResult(reads.All.Count == 0), "nobody is sent anything any more", Deadline);
        foreach (var one in deaf) one.Dispose();
    }

    /// <summary>A few bytes a second are enough for a server that watches the rate, and nothing that is being sent is evicted.</summary>
    [Fact]
    [Line("4.7")]
    public async Task Who_reads_on_and_on_is_cut_off_when_its_time_is_over_and_its_entry_may_go_and_who_reads_quickly_is_not()
    {
        var time = new ManualTime(DateTimeOffset.FromUnixTimeSeconds(1_900_000_000));
        await using var server = await CacheServer.StartAsync(time: time, configure: static options => options with { ReadLife = TimeSpan.FromHours(2), UploadPatience = TimeSpan.FromMinutes(10) });
        var machine = await server.MachineAsync();
        await server.SaveAsync(machine, "large", CacheServer.Random(32 << 20));
        var url = new Uri(await server.DownloadUrlAsync(machine, "large"));
        var reads = server.Server.Services.GetRequiredService<BlobReads>();
        using var slow = await StopReadingAsync(url);

        time.Advance(TimeSpan.FromMinutes(9));
        Assert.Equal(32 << 20, (await server.Client.GetByteArrayAsync(url)).Length);
        time.Advance(TimeSpan.FromMinutes(110));
        Assert.NotEmpty(reads.All);
        time.Advance(TimeSpan.FromMinutes(2));

        await Eventually.HoldsAsync(() => Task.FromResult(reads.All.Count == 0), "nobody is sent anything any more", Deadline);
        var left = await Assert.ThrowsAnyAsync<Exception>(() => slow.GetStream().ReadExactlyAsync(new byte[32 << 20]).AsTask());
        Assert.IsAssignableFrom<IOException>(left);
    }

    /// <summary>
    /// Sixteen restores at once on two cores: two took the threads for themselves, and the server reset the others as too slow. Here more wait for a thread than
    /// there can be, and a transfer whose client is never behind must still stand in line.
    /// </summary>
    [Fact]
    public async Task Of_sixteen_who_read_at_once_none_is_reset_because_whoever_is_never_behind_makes_way()
    {
        const int length = 8 << 20;
        var folder = Directory.CreateTempSubdirectory("lanyard-turn-");
        var files = new FileBlobs(folder.FullName, TimeProvider.System);
        var key = new WorkspaceKey(new byte[32], isEncrypting: false);
        var content = CacheServer.Random(length);
        var stored = (await files.WriteAsync("blob", new MemoryStream(content), length, key, TestContext.Current.CancellationToken))!;
        using var sent = new MemoryStream(length);
        using var over = new ManualResetEventSlim();
        for (var i = 0; i < 1000; i++) ThreadPool.UnsafeQueueUserWorkItem(static over => over.Wait(Deadline), over, preferLocal: false);

        var copying = files.CopyAsync(
            "blob", [new Extent(0, stored.Segment, length, stored.Digests, stored.Tags)], new ByteRange(0, length - 1), key, PipeWriter.Create(sent), CancellationToken.None);
        var (isOver, sentAtOnce) = (copying.IsCompleted, sent.Length);
        over.Set();
        await copying;

        Assert.False(isOver);
        Assert.InRange(sentAtOnce, 1, length / 4);
        Assert.Equal(content, sent.ToArray());
        folder.Delete(recursive: true);
    }

    /// <summary>Announces a block of 4 MiB and sends a part of it.</summary>
    private static async Task<TcpClient> StopSendingAsync(Uri url, int number)
    {
        var client = new TcpClient();
        await client.ConnectAsync(url.Host, url.Port);
        var block = Uri.EscapeDataString(CacheServer.BlockId($"{number}"));
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
            $"PUT {url.PathAndQuery}&comp=block&blockid={block} HTTP/1.1\r\nHost: {url.Authority}\r\nContent-Length: 4194304\r\n\r\n"));
        await client.GetStream().WriteAsync(new byte[1000]);
        return client;
    }

    /// <summary>Asks, reads the first bytes of the answer and no more.</summary>
    private static async Task<TcpClient> StopReadingAsync(Uri url)
    {
        var client = new TcpClient { ReceiveBufferSize = 16 * 1024 };
        await client.ConnectAsync(url.Host, url.Port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"GET {url.PathAndQuery} HTTP/1.1\r\nHost: {url.Authority}\r\n\r\n"));
        Assert.Equal(12, await client.GetStream().ReadAtLeastAsync(new byte[12], 12));
        return client;
    }

    private static async Task<string> AnswerAsync(TcpClient client)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        using var reader = new StreamReader(client.GetStream(), Encoding.ASCII, leaveOpen: true);
        return await reader.ReadToEndAsync(deadline.Token);
    }
}
