using System.Text.Json;
using Lanyard.Bench.Cache;
using Lanyard.Bench.Dispatch;
using Lanyard.Bench.Exchange;
using Lanyard.Bench.Federation;
using Lanyard.Bench.Masking;
using Lanyard.Bench.Proxy;
using Lanyard.Bench.Rows;
using Lanyard.Bench.Runs;
using Lanyard.Bench.Verify;

namespace Lanyard.Bench;

/// <summary><c>bench/run</c>: one benchmark, a table on standard output, and the same as JSON where asked.</summary>
internal static class Program
{
    private static readonly Dictionary<string, Func<Task<(List<BenchRow> Rows, string Note)>>> Benches = new(StringComparer.Ordinal)
    {
        ["verify"] = VerifyBench.RunAsync,
        ["exchange"] = ExchangeBench.RunAsync,
        ["federation"] = FederationBench.RunAsync,
        ["dispatch"] = DispatchBench.RunAsync,
        ["mask"] = MaskBench.RunAsync,
        ["runs"] = RunsBench.RunAsync,
        ["proxy"] = ProxyBench.RunAsync,
        ["proxy-start"] = ProxyBench.StartAsync,
        ["cache"] = CacheBench.RunAsync,
        ["proxy-soak"] = SoakBench.RunAsync,
    };

    static Program()
    {
        foreach (var (name, part) in RunsBench.Parts)
            Benches.Add(name, part);
    }

    public static async Task<int> Main(string[] args)
    {
        if (args is ["--list"])
        {
            foreach (var name in Benches.Keys)
                Console.Out.WriteLine(name);
            return 0;
        }
        if (args is [Forwarder.Name, ..])
        {
            await Forwarder.RunAsync(args[1..]);
            return 0;
        }
        if (args is not ([_] or [_, "--json", _]) || !Benches.TryGetValue(args[0], out var run))
        {
            await Console.Error.WriteLineAsync("usage: bench/run NAME [--json FILE]; bench/run --list names them");
            return 2;
        }
        var (rows, note) = await run();
        Print(rows, note);
        if (args.Length == 3)
            await File.WriteAllTextAsync(args[2], JsonSerializer.Serialize(rows, BenchJson.Default.IReadOnlyListBenchRow) + "\n");
        return 0;
    }

    private static void Print(List<BenchRow> rows, string note)
    {
        Console.Out.WriteLine("| what | ours | peer | | unit | ratio | goal | holds |");
        Console.Out.WriteLine("|---|---|---|---|---|---|---|---|");
        foreach (var row in rows)
        {
            var holds = row.Suspect ? "suspect" : row.Holds ? "yes" : "no";
            Console.Out.WriteLine(FormattableString.Invariant(
                $"| {row.Name} | {row.Ours} | {row.Peer} | {row.PeerName} | {row.Unit} | {row.Ratio} | {row.Goal} | {holds} |"));
        }
        Console.Out.WriteLine();
        Console.Out.WriteLine(note);
    }
}
