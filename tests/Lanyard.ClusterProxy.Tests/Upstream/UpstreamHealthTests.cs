using Lanyard.ClusterProxy.Upstream;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Upstream;

/// <summary>Several addresses of one API server.</summary>
[Line("3.6")]
public sealed class UpstreamHealthTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    [Fact]
    public async Task An_address_that_refuses_connections_costs_no_request()
    {
        await using var gone = RawUpstream.Answering(Ok);
        await using var well = RawUpstream.Answering(Ok);
        gone.StopListening();
        using var pool = new UpstreamPool(new UpstreamOptions { Addresses = [gone.Address, well.Address] }, TimeProvider.System);
        var client = new UpstreamClient(pool);

        for (var i = 0; i < 6; i++)
        {
            Assert.Equal(200, await GetAsync(client));
        }

        Assert.Equal(6, well.Heads.Count);
    }

    [Fact]
    public async Task With_no_address_left_it_is_unreachable_and_a_later_one_is_found()
    {
        await using var gone = RawUpstream.Answering(Ok);
        gone.StopListening();
        using var pool = new UpstreamPool(new UpstreamOptions { Addresses = [gone.Address, gone.Address] }, TimeProvider.System);
        var client = new UpstreamClient(pool);

        Assert.Equal(UpstreamFault.Unreachable, (await Assert.ThrowsAsync<UpstreamException>(() => GetAsync(client))).Fault);
        await using var well = RawUpstream.Answering(Ok);
        pool.Replace(new UpstreamOptions { Addresses = [gone.Address, well.Address] });
        Assert.Equal(200, await GetAsync(client));
    }

    [Fact]
    public async Task A_sick_address_is_left_its_idle_connections_too_and_comes_back_when_it_is_well()
    {
        var time = new ManualTime();
        var sick = true;
        await using var first = RawUpstream.Answering(h => h.StartLine.Contains("/readyz", StringComparison.Ordinal) && sick ? "HTTP/1.1 500 Sick\r\nContent-Length: 0\r\n\r\n" : Ok);
        await using var second = RawUpstream.Answering(Ok);
        using var pool = new UpstreamPool(new UpstreamOptions { Addresses = [first.Address, second.Address] }, time);
        var client = new UpstreamClient(pool);
        var held = await Task.WhenAll(StartAsync(client), StartAsync(client));
        foreach (var exchange in held)
        {
            await EndAsync(exchange);
        }

        var changes = new List<string>();
        await pool.ProbeAsync("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray(), (a, up, _) => changes.Add($"{a} {up}"), default);
        var before = Requests(first);
        for (var i = 0; i < 6; i++)
        {
            Assert.Equal(200, await GetAsync(client));
        }

        Assert.Equal([$"{first.Address.Authority} False"], changes);
        Assert.Equal(before, Requests(first));
        sick = false;
        await pool.ProbeAsync("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray(), (a, up, _) => changes.Add($"{a} {up}"), default);
        Assert.Equal($"{first.Address.Authority} True", changes[^1]);
    }

    [Fact]
    public async Task It_is_looked_at_every_ten_seconds_and_403_is_well()
    {
        var time = new ManualTime();
        await using var first = RawUpstream.Answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        await using var second = RawUpstream.Answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        using var pool = new UpstreamPool(new UpstreamOptions { Addresses = [first.Address, second.Address] }, time);
        using var health = new UpstreamHealth(pool, () => "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray(), time, NullLogger.Instance);

        time.Advance(UpstreamHealth.Period);
        await Eventually.HoldsAsync(() => Task.FromResult(first.Heads.Count == 1 && second.Heads.Count == 1), "both addresses asked");

        Assert.Equal(403, await GetAsync(new UpstreamClient(pool)));
    }

    private static int Requests(RawUpstream upstream) => upstream.Heads.Count(h => !h.StartLine.Contains("/readyz", StringComparison.Ordinal));

    private static async Task<UpstreamExchange> StartAsync(UpstreamClient client) =>
        await client.SendAsync(new UpstreamRequest("GET / HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray(), null, IsHead: false, MayRepeat: true, WantsUpgrade: false), default);

    private static async Task EndAsync(UpstreamExchange exchange)
    {
        await exchange.CopyBodyAsync(System.IO.Pipelines.PipeWriter.Create(Stream.Null));
        await exchange.DisposeAsync();
    }

    private static async Task<int> GetAsync(UpstreamClient client)
    {
        var exchange = await StartAsync(client);
        var status = exchange.Head.Status;
        await EndAsync(exchange);
        return status;
    }
}
