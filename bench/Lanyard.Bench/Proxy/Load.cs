using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Lanyard.Bench.Parts;
using Lanyard.Bench.Rows;

namespace Lanyard.Bench.Proxy;

/// <summary>wrk and h2load on the core that the proxy does not have.</summary>
internal static partial class Load
{
    /// <summary>A line of the file is a token; each request takes the next one.</summary>
    public const string Script = """
        local requests, at = {}, 0
        function init(args)
          for token in io.lines(args[1]) do
            requests[#requests + 1] = wrk.format("GET", nil, { Authorization = "Bearer " .. token })
          end
        end
        function request()
          at = at % #requests + 1
          return requests[at]
        end

        """;

    /// <summary>Requests a CPU-second of the proxy.</summary>
    /// <param name="atMost">Requests that there are tokens for, where none may be used twice; 0 for any number.</param>
    /// <exception cref="InvalidOperationException">An answer was no 200, there was none, or there were too few tokens.</exception>
    public static async Task<double> RateAsync(ProxyBed bed, ProxyTarget target, string path, int connections, string tokens, int atMost = 0)
    {
        var before = Cpu.OfFamily(target.Process);
        var said = await RunAsync(
            "wrk", "-t1", $"-c{connections}", "-d2s", "--timeout", "5s", "-s", bed.At("bearer.lua"), new Uri(target.Url, path).AbsoluteUri, "--", tokens);
        var used = Cpu.OfFamily(target.Process) - before;
        var done = Count().Match(said);
        if (said.Contains("Non-2xx", StringComparison.Ordinal) || !done.Success || used <= 0)
            throw new InvalidOperationException($"{target.Name}: {said}");
        var requests = double.Parse(done.Groups[1].Value, CultureInfo.InvariantCulture);
        if (requests == 0)
            throw new InvalidOperationException($"{target.Name} answered nothing: {said}");
        return atMost > 0 && requests > atMost ? throw new InvalidOperationException($"{requests} requests, {atMost} tokens") : requests / used;
    }

    /// <summary>
    /// Milliseconds that 99 % of the requests did not exceed, of two targets, the median of three slices each, in turn: one pause of the machine of 30 ms is all of a slice's slowest hundredth.
    /// </summary>
    public static async Task<(double First, double Second)> LatenciesAsync(ProxyBed bed, ProxyTarget first, ProxyTarget second, string path, string token)
    {
        var (ofFirst, ofSecond) = (new double[3], new double[3]);
        for (var i = 0; i < ofFirst.Length; i++)
        {
            ofFirst[i] = await LatencyAsync(bed, first, path, token);
            ofSecond[i] = await LatencyAsync(bed, second, path, token);
        }
        return (Samples.Median(ofFirst), Samples.Median(ofSecond));
    }

    /// <summary>At 5,000 requests a second over 64 connections.</summary>
    private static async Task<double> LatencyAsync(ProxyBed bed, ProxyTarget target, string path, string token)
    {
        var log = bed.At("h2load.log");
        File.Delete(log);
        await RunAsync("h2load", "--h1", "-t1", "-c64", "-D3", "--rps", "78.125", "--log-file", log, "-H", $"Authorization: Bearer {token}", new Uri(target.Url, path).AbsoluteUri);
        var times = new List<double>();
        await foreach (var line in File.ReadLinesAsync(log))
        {
            // Start in µs since the epoch, status, duration in µs.
            var fields = line.Split('\t');
            if (fields[1] != "200")
                throw new InvalidOperationException($"{target.Name}: status {fields[1]} at 5,000 requests a second");
            times.Add(double.Parse(fields[2], CultureInfo.InvariantCulture) / 1000);
        }
        return Samples.Percentile(times, 0.99);
    }

    private static async Task<string> RunAsync(params string[] command)
    {
        var start = new ProcessStartInfo("taskset", ["-c", "1", .. command]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var said = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? said : throw new InvalidOperationException($"{command[0]} ended with {process.ExitCode}: {said}{await errors}");
    }

    [GeneratedRegex(@"(\d+) requests in")]
    private static partial Regex Count();
}
