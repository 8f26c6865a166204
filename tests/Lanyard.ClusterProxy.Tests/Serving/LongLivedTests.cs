using Lanyard.ClusterProxy.Upstream;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Serving;

/// <summary>What lasts for hours, and how it ends.</summary>
[Line("3.6")]
public sealed class LongLivedTests
{
    private static readonly string Exec =
        "POST /api/v1/namespaces/n/pods/p/exec?command=sh HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n" + ProxyDriver.Bearer + "\r\n";

    [Fact]
    public async Task An_exec_and_a_watch_that_are_idle_for_five_hours_of_the_clock_still_carry_bytes()
    {
        var time = new ManualTime();
        var go = new TaskCompletionSource();
        var end = new TaskCompletionSource();
        await using var upstream = new RawUpstream(async connection =>
        {
            var head = await connection.ReadHeadAsync();
            var isExec = head!.StartLine.Contains("/exec", StringComparison.Ordinal);
            await connection.WriteAsync(isExec
                ? "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
                : "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            await go.Task;
            await connection.WriteAsync(isExec ? "hello" : "5\r\nhello\r\n");
            await end.Task;
        });
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address, time: time);
        using var exec = await proxy.ConnectAsync();
        using var watch = await proxy.ConnectAsync();
        await exec.WriteAsync(Exec);
        await exec.ReadHeadAsync();
        await watch.WriteAsync("GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: x\r\n" + ProxyDriver.Bearer + "\r\n");
        await watch.ReadHeadAsync();

        time.Advance(TimeSpan.FromHours(5));
        go.SetResult();

        Assert.Equal("hello", await exec.ReadExactlyAsync(5));
        Assert.Equal("5\r\nhello\r\n", await watch.ReadExactlyAsync(10));
        end.SetResult();
    }

    /// <summary>Every limit that could end a stream is off or at least four hours; the ones that are shorter are about connections, heads and short requests.</summary>
    [Fact]
    public async Task No_limit_under_four_hours_is_set_on_a_stream()
    {
        var seen = new TaskCompletionSource<(MinDataRateOf In, MinDataRateOf Out)>();
        await using var upstream = RawUpstream.Answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address, observe: context => seen.TrySetResult((
            new(context.Features.Get<IHttpMinRequestBodyDataRateFeature>()?.MinDataRate?.BytesPerSecond),
            new(context.Features.Get<IHttpMinResponseDataRateFeature>()?.MinDataRate?.BytesPerSecond))));

        await proxy.SendAsync("GET /api/v1/namespaces/n/pods/p/log?follow=true HTTP/1.1\r\nHost: x\r\n" + ProxyDriver.Bearer + "\r\n");

        Assert.Equal((new MinDataRateOf(null), new MinDataRateOf(null)), await seen.Task);
        Assert.DoesNotContain(
            typeof(UpstreamOptions).GetProperties(),
            p => p.PropertyType == typeof(TimeSpan) && p.Name is not (nameof(UpstreamOptions.ConnectTimeout) or nameof(UpstreamOptions.DownTime) or nameof(UpstreamOptions.IdleTimeout)));
    }

    [Fact]
    [Line("3.9")]
    public async Task A_short_request_has_a_slowest_speed_both_ways()
    {
        var seen = new TaskCompletionSource<(double?, double?)>();
        await using var upstream = RawUpstream.Answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address, observe: context => seen.TrySetResult((
            context.Features.Get<IHttpMinRequestBodyDataRateFeature>()?.MinDataRate?.BytesPerSecond,
            context.Features.Get<IHttpMinResponseDataRateFeature>()?.MinDataRate?.BytesPerSecond)));

        await proxy.SendAsync("GET /api/v1/namespaces/n/pods HTTP/1.1\r\nHost: x\r\n" + ProxyDriver.Bearer + "\r\n");

        Assert.Equal((240d, 240d), await seen.Task);
    }

    [Fact]
    public async Task A_stop_waits_for_the_request_that_runs_and_takes_no_new_one()
    {
        var arrived = new TaskCompletionSource();
        var go = new TaskCompletionSource();
        await using var upstream = new RawUpstream(async connection =>
        {
            await connection.ReadHeadAsync();
            arrived.SetResult();
            await go.Task;
            await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
        });
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);
        var running = proxy.SendAsync("GET /api HTTP/1.1\r\nHost: x\r\n" + ProxyDriver.Bearer + "\r\n");
        await arrived.Task;

        var stopping = proxy.StopAsync();
        await Eventually.HoldsAsync(async () => await RefusesAsync(proxy), "no new connection is taken");
        Assert.False(stopping.IsCompleted);
        go.SetResult();

        Assert.Equal("done", (await running).Body);
        await stopping;
    }

    private static async Task<bool> RefusesAsync(ProxyDriver proxy)
    {
        try
        {
            using var connection = await proxy.ConnectAsync();
            await connection.WriteAsync("GET /api HTTP/1.1\r\nHost: x\r\n\r\n");
            return await connection.ReadHeadAsync() is null;
        }
        catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException)
        {
            return true;
        }
    }

    private readonly record struct MinDataRateOf(double? BytesPerSecond);
}
