using System.Diagnostics;
using System.Net;
using System.Text;
using Lanyard.Bench.Parts;
using Lanyard.Bench.Rows;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;

namespace Lanyard.Bench.Dispatch;

/// <summary><c>lanyard token</c> as a step starts it, published as it is shipped, against a kubectl that asks nobody.</summary>
internal static class TokenCommand
{
    private const int TimesARound = 5;

    public static async Task MeasureAsync(List<BenchRow> rows, List<string> notes)
    {
        using var endpoint = Endpoint(out var url);
        var serving = ServeAsync(endpoint);
        var ours = new ProcessStartInfo(Repo.At("artifacts", "publish", "Lanyard.Credentials", "release_linux-x64", "lanyard-credentials"), ["token", "--audience", "bench"])
        {
            RedirectStandardOutput = true,
        };
        ours.Environment["ACTIONS_ID_TOKEN_REQUEST_URL"] = url + "?api-version=1";
        ours.Environment["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = "bench";
        var kubectl = new ProcessStartInfo("kubectl", ["version", "--client"]) { RedirectStandardOutput = true };
        var medians = await new RoundLoop("lanyard token", [], TimeSpan.FromSeconds(15)).RunAsync(async () =>
        {
            var (mine, theirs) = (new List<double>(), new List<double>());
            for (var i = 0; i < TimesARound; i++)
            {
                mine.Add(await TimeAsync(ours));
                theirs.Add(await TimeAsync(kubectl));
            }
            return new() { ["ours"] = Samples.Median(mine), ["kubectl"] = Samples.Median(theirs) };
        });
        endpoint.Stop();
        await serving;
        rows.Add(BenchRow.Cost("lanyard token, start to exit", medians["ours"], medians["kubectl"], "kubectl version --client", "ms", 0.5));
        notes.Add($"lanyard token: {medians.Note}");
    }

    private static async Task<double> TimeAsync(ProcessStartInfo start)
    {
        var began = TimeProvider.System.GetTimestamp();
        using var process = Process.Start(start)!;
        await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? TimeProvider.System.GetElapsedTime(began).TotalMilliseconds
            : throw new InvalidOperationException($"{start.FileName} failed");
    }

    private static HttpListener Endpoint(out string url)
    {
        using var probe = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        url = $"http://127.0.0.1:{((IPEndPoint)probe.LocalEndpoint).Port}/";
        probe.Stop();
        var listener = new HttpListener { Prefixes = { url } };
        listener.Start();
        return listener;
    }

    /// <summary>The runner's loopback endpoint, with a token that is ready.</summary>
    private static async Task ServeAsync(HttpListener listener)
    {
        using var key = SigningKey.Generate(SignatureAlgorithm.ES256);
        var answer = Encoding.ASCII.GetBytes($$"""{"value":"{{TokenMint.Mint(key, TokenMint.JwtType, "{}"u8)}}"}""");
        try
        {
            while (true)
            {
                var context = await listener.GetContextAsync();
                context.Response.ContentType = "application/json";
                context.Response.Close(answer, false);
            }
        }
        catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
        {
            // Stopped.
        }
    }
}
