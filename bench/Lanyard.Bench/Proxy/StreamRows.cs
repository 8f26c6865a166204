using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Lanyard.Bench.Parts;
using Lanyard.Bench.Rows;
using Lanyard.Testing.Sockets;

namespace Lanyard.Bench.Proxy;

/// <summary>What lasts and what sets up: watches with events, the memory of idle ones, execs, impersonation by the client, and the proxy's own start.</summary>
internal static class StreamRows
{
    private const int Watches = 1000;
    private static readonly TimeSpan Slice = TimeSpan.FromSeconds(3);

    public static async Task AddAsync(ProxyBed bed, string token, List<BenchRow> rows)
    {
        await using var upstream = await StreamUpstream.StartAsync(bed.Certificate);
        await EventsAsync(bed, upstream, token, rows);
        await MemoryAsync(bed, upstream, token, rows);
        await ImpersonationAsync(bed, token, rows);
        await StartAsync(bed, rows);
    }

    /// <summary>1,000 watches with ten events a second each, and execs set up one after the other, beside haproxy.</summary>
    private static async Task EventsAsync(ProxyBed bed, StreamUpstream upstream, string token, List<BenchRow> rows)
    {
        var ours = await ProxyTarget.OursAsync(bed, upstream.Plain, tls: false);
        var (haproxy, _) = await ProxyTarget.HaproxyAsync(bed, upstream.Plain, upstream.Secured);
        var (events, execs) = (new Dictionary<string, double>(), new Dictionary<string, double>());
        foreach (var target in (ProxyTarget[])[ours, haproxy])
        {
            using var watchers = new Watchers();
            await watchers.OpenAsync(target, token, Watches, eventsPerSecond: 10);
            await WarmUp.RunAsync(() => watchers.MeasureAsync(target, Slice));
            events[target.Name] = Samples.Median([await watchers.MeasureAsync(target, Slice), await watchers.MeasureAsync(target, Slice), await watchers.MeasureAsync(target, Slice)]);
        }
        foreach (var target in (ProxyTarget[])[ours, haproxy])
        {
            await WarmUp.RunAsync(() => ExecsAsync(target, token));
            execs[target.Name] = Samples.Median([await ExecsAsync(target, token), await ExecsAsync(target, token), await ExecsAsync(target, token)]);
        }
        rows.Add(BenchRow.Rate("1,000 watches, 10 events a second each, plain", events[ours.Name], events[haproxy.Name], haproxy.Name, "events / CPU-s", 0));
        rows.Add(BenchRow.Rate("exec, set up on a new connection, plain", execs[ours.Name], execs[haproxy.Name], haproxy.Name, "execs / CPU-s", 0));
    }

    private static async Task<double> ExecsAsync(ProxyTarget target, string token)
    {
        var request = Encoding.ASCII.GetBytes(
            $"POST /api/v1/namespaces/shop/pods/p/exec?command=true&stdout=true HTTP/1.1\r\nHost: {target.Url.Authority}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
            + $"X-Stream-Protocol-Version: v4.channel.k8s.io\r\nContent-Length: 0\r\nAuthorization: Bearer {token}\r\n\r\n");
        var (cpu, began, done) = (Cpu.OfFamily(target.Process), TimeProvider.System.GetTimestamp(), 0);
        var buffer = new byte[1024];
        while (TimeProvider.System.GetElapsedTime(began) < Slice)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(IPAddress.Loopback, target.Url.Port);
            await socket.SendAsync(request);
            if (await socket.ReceiveAsync(buffer) == 0 || !buffer.AsSpan().StartsWith("HTTP/1.1 101"u8))
                throw new InvalidOperationException($"{target.Name}: {Encoding.ASCII.GetString(buffer)}");
            done++;
        }
        return done / (Cpu.OfFamily(target.Process) - cpu);
    }

    /// <summary>By name as clouds give it out, and by address as pods are told it.</summary>
    private static async Task MemoryAsync(ProxyBed bed, StreamUpstream upstream, string token, List<BenchRow> rows)
    {
        foreach (var (how, host) in ((string, string)[])[("name", "localhost"), ("address", "127.0.0.1")])
        {
            var kibibytes = await MemoryAsync(bed, new UriBuilder(upstream.Secured) { Host = host }.Uri, token);
            rows.Add(BenchRow.Cost($"memory of an idle watch, TLS on both sides (PSS), the API server by {how}", kibibytes, 80, BenchRow.Limit, "KiB"));
        }
    }

    private static async Task<double> MemoryAsync(ProxyBed bed, Uri upstream, string token)
    {
        var ours = await ProxyTarget.OursAsync(bed, upstream, tls: true);
        using var first = new Watchers();
        await first.OpenAsync(ours, token, Watches, eventsPerSecond: 0);
        var before = MemoryUse.PssOf(ours.Process);
        using var watchers = new Watchers();
        await watchers.OpenAsync(ours, token, 2 * Watches, eventsPerSecond: 0);
        return (MemoryUse.PssOf(ours.Process) - before) * 1024 / (2 * Watches);
    }

    /// <summary>As figures: there is no peer that asks for each value.</summary>
    private static async Task ImpersonationAsync(ProxyBed bed, string token, List<BenchRow> rows)
    {
        var ours = await ProxyTarget.OursAsync(bed, bed.Plain, tls: false);
        foreach (var groups in (int[])[1, 10, 100])
        {
            var lines = string.Concat(Enumerable.Range(0, groups).Select(static i => $"Impersonate-Group: team-{i}\r\n"));
            var request = Encoding.ASCII.GetBytes(
                $"GET {ProxyBed.Small} HTTP/1.1\r\nHost: {ours.Url.Authority}\r\nAuthorization: Bearer {token}\r\nImpersonate-User: jane\r\n{lines}\r\n");
            using var connection = await LeanHttp.ConnectAsync(ours.Url);
            async Task<double> MeasureAsync()
            {
                var (cpu, began, done) = (Cpu.OfFamily(ours.Process), TimeProvider.System.GetTimestamp(), 0);
                while (TimeProvider.System.GetElapsedTime(began) < Slice)
                {
                    await connection.SendAsync(request);
                    done++;
                }
                return done / (Cpu.OfFamily(ours.Process) - cpu);
            }
            await WarmUp.RunAsync(MeasureAsync);
            rows.Add(BenchRow.Rate($"--as with {groups} group{(groups > 1 ? "s" : "")}, reviews remembered, plain", await MeasureAsync(), 0, "none", "requests / CPU-s", 0));
        }
    }

    /// <summary>From the start of the process until <c>/readyz</c> says that an issuer's keys are known and requests are taken.</summary>
    public static async Task StartAsync(ProxyBed bed, List<BenchRow> rows)
    {
        var times = new List<double>();
        using var client = new HttpClient();
        for (var i = 0; i <= Samples.Wanted; i++)
        {
            var (url, health) = (new Uri($"http://127.0.0.1:{FreePort.Take()}"), FreePort.Take());
            var arguments = ProxyTarget.OursArguments(bed, bed.Plain, url, health);
            var began = TimeProvider.System.GetTimestamp();
            // On all of the machine's cores: this process is kept to one, which its children would inherit, and here nothing competes.
            var start = new ProcessStartInfo("taskset", ["-c", $"0-{Environment.ProcessorCount - 1}", ProxyTarget.Published, .. arguments]) { RedirectStandardError = true };
            using var process = Process.Start(start)!;
            // Asked every 2 ms, who asks took 30 ms of the start for itself.
            while (!await ListensAsync(health) || !await IsReadyAsync(client, health))
            {
                if (process.HasExited)
                    throw new InvalidOperationException($"The proxy did not start: {await process.StandardError.ReadToEndAsync()}");
                await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
            }
            // The first one warms up who asks.
            if (i > 0)
                times.Add(TimeProvider.System.GetElapsedTime(began).TotalMilliseconds);
            process.Kill();
            await process.WaitForExitAsync();
        }
        rows.Add(BenchRow.Cost("start to ready", Samples.Median(times), 500, BenchRow.Limit, "ms"));
    }

    /// <summary>Asked again and again while the proxy starts: an exception each time would take from it the machine that it starts on.</summary>
    private static async Task<bool> ListensAsync(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using var attempt = new SocketAsyncEventArgs { RemoteEndPoint = new IPEndPoint(IPAddress.Loopback, port) };
        var over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        attempt.Completed += (_, _) => over.TrySetResult();
        if (socket.ConnectAsync(attempt))
            await over.Task;
        return attempt.SocketError == SocketError.Success;
    }

    private static async Task<bool> IsReadyAsync(HttpClient client, int port)
    {
        try
        {
            using var answer = await client.GetAsync(new Uri($"http://127.0.0.1:{port}/readyz"));
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
