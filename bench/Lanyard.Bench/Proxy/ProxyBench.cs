using System.Diagnostics;
using Lanyard.Bench.Rows;

namespace Lanyard.Bench.Proxy;

/// <summary>The cluster proxy against others that verify a token and forward with an identity header, each alone on one core, the same upstream, the same tokens.</summary>
internal static class ProxyBench
{
    private const string Unit = "requests / CPU-s";
    private const int Distinct = 10_000;

    /// <summary>More than anybody does in a slice of two seconds on one core.</summary>
    private const int Fresh = 36_000;

    public static async Task<(List<BenchRow> Rows, string Note)> RunAsync()
    {
        Process.GetCurrentProcess().ProcessorAffinity = 2;
        await using var bed = await ProxyBed.StartAsync();
        bed.Write("bearer.lua", Load.Script);
        var ours = await ProxyTarget.OursAsync(bed, bed.Plain, tls: false);
        var oursTls = await ProxyTarget.OursAsync(bed, bed.Secured, tls: true);
        var (haproxy, haproxyTls) = await ProxyTarget.HaproxyAsync(bed, bed.Plain, bed.Secured);
        var apache = await ProxyTarget.ApacheAsync(bed);
        var bare = await ProxyTarget.ForwarderAsync(bed, bed.Plain, tls: false);
        var bareTls = await ProxyTarget.ForwarderAsync(bed, bed.Secured, tls: true);
        var direct = new ProxyTarget("direct", bed.Processes[0], bed.Plain);
        var one = bed.Tokens("one", 1);
        var token = (await File.ReadAllTextAsync(one)).Trim();
        var many = bed.Tokens("many", Distinct);
        foreach (var target in (ProxyTarget[])[ours, oursTls, haproxy, haproxyTls, apache, bare, bareTls])
            await WarmUp.RunAsync(() => Load.RateAsync(bed, target, ProxyBed.Small, 64, one));
        // Ours remembers a token when it has come twice, and a slice is two and a half turns of them at best; who has no memory needs no such turns.
        await WarmUp.RunAsync(() => Load.RateAsync(bed, ours, ProxyBed.Small, 64, many));
        await WarmUp.RunAsync(() => Load.RateAsync(bed, ours, ProxyBed.Small, 64, bed.Tokens("fresh", Distinct)));
        var medians = await new RoundLoop("proxy", bed.Processes, TimeSpan.FromMinutes(7)).RunAsync(async () =>
        {
            var fresh = bed.Tokens("fresh", Fresh);
            Dictionary<string, double> figures = new()
            {
                ["direct"] = await Load.RateAsync(bed, direct, ProxyBed.Small, 64, one),
                ["haproxy"] = await Load.RateAsync(bed, haproxy, ProxyBed.Small, 64, one),
                ["ours"] = await Load.RateAsync(bed, ours, ProxyBed.Small, 64, one),
                ["apache"] = await Load.RateAsync(bed, apache, ProxyBed.Small, 64, one),
                ["bare"] = await Load.RateAsync(bed, bare, ProxyBed.Small, 64, one),
                ["haproxy many"] = await Load.RateAsync(bed, haproxy, ProxyBed.Small, 64, many),
                ["ours many"] = await Load.RateAsync(bed, ours, ProxyBed.Small, 64, many),
                ["ours fresh"] = await Load.RateAsync(bed, ours, ProxyBed.Small, 64, fresh, Fresh),
                ["haproxy fresh"] = await Load.RateAsync(bed, haproxy, ProxyBed.Small, 64, fresh, Fresh),
                ["haproxy tls"] = await Load.RateAsync(bed, haproxyTls, ProxyBed.Small, 64, one),
                ["ours tls"] = await Load.RateAsync(bed, oursTls, ProxyBed.Small, 64, one),
                ["bare tls"] = await Load.RateAsync(bed, bareTls, ProxyBed.Small, 64, one),
                ["haproxy 16k"] = await Load.RateAsync(bed, haproxy, ProxyBed.Large, 64, one),
                ["ours 16k"] = await Load.RateAsync(bed, ours, ProxyBed.Large, 64, one),
                ["bare 16k"] = await Load.RateAsync(bed, bare, ProxyBed.Large, 64, one),
                ["haproxy tls 16k"] = await Load.RateAsync(bed, haproxyTls, ProxyBed.Large, 64, one),
                ["ours tls 16k"] = await Load.RateAsync(bed, oursTls, ProxyBed.Large, 64, one),
                ["haproxy c1"] = await Load.RateAsync(bed, haproxy, ProxyBed.Small, 1, one),
                ["ours c1"] = await Load.RateAsync(bed, ours, ProxyBed.Small, 1, one),
            };
            (figures["haproxy p99"], figures["ours p99"]) = await Load.LatenciesAsync(bed, haproxy, ours, ProxyBed.Small, token);
            (figures["haproxy tls p99"], figures["ours tls p99"]) = await Load.LatenciesAsync(bed, haproxyTls, oursTls, ProxyBed.Small, token);
            return figures;
        });
        BenchRow Rate(string name, string mine, string theirs, ProxyTarget peer, double goal, double? known = null) =>
            BenchRow.Rate(name, medians[mine], medians[theirs], peer.Name, Unit, goal, known);
        List<BenchRow> rows =
        [
            Rate("GET 1 KiB, plain, token remembered", "ours", "haproxy", haproxy, 1.6, 15_600),
            Rate("GET 1 KiB, plain, token remembered", "ours", "apache", apache, 4, 4_760),
            Rate("GET 1 KiB, plain, token remembered", "ours", "bare", bare, 1, 25_000),
            Rate("GET 1 KiB, plain, 10,000 tokens in turn", "ours many", "haproxy many", haproxy, 1.3, 15_600),
            Rate("GET 1 KiB, plain, every token new", "ours fresh", "haproxy fresh", haproxy, 0.8, 15_600),
            Rate("GET 1 KiB, TLS on both sides", "ours tls", "haproxy tls", haproxyTls, 1, 11_360),
            Rate("GET 1 KiB, TLS on both sides", "ours tls", "bare tls", bareTls, 1.1, 10_750),
            BenchRow.Cost("p99 at 5,000 requests a second, plain", medians["ours p99"], medians["haproxy p99"], haproxy.Name, "ms"),
            BenchRow.Cost("p99 at 5,000 requests a second, TLS on both sides", medians["ours tls p99"], medians["haproxy tls p99"], haproxy.Name, "ms"),
            Rate("GET 1 KiB, plain, no proxy at all", "ours", "direct", direct, 0),
            Rate("GET 1 KiB, plain, one connection", "ours c1", "haproxy c1", haproxy, 0),
            Rate("GET 16 KiB, plain", "ours 16k", "haproxy 16k", haproxy, 0),
            Rate("GET 16 KiB, plain", "ours 16k", "bare 16k", bare, 0),
            Rate("GET 16 KiB, TLS on both sides", "ours tls 16k", "haproxy tls 16k", haproxyTls, 0),
        ];
        await StreamRows.AddAsync(bed, token, rows);
        return (rows, medians.Note);
    }

    /// <summary>The start alone, without ten minutes of other rows before it.</summary>
    public static async Task<(List<BenchRow> Rows, string Note)> StartAsync()
    {
        await using var bed = await ProxyBed.StartAsync();
        var rows = new List<BenchRow>();
        await StreamRows.StartAsync(bed, rows);
        return (rows, "");
    }
}
