using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using Lanyard.Bench.Parts;
using Lanyard.Bench.Rows;

namespace Lanyard.Bench.Proxy;

/// <summary>
/// An hour of what a proxy sees (<c>LANYARD_SOAK_SECONDS</c> for another time), TLS on both sides: watches that are opened and cut, requests of some hundred tokens,
/// refused ones, clients that go away while an answer comes. Its memory must not grow.
/// </summary>
internal static class SoakBench
{
    private const int Watches = 100;
    private const int Requests = 400;
    private const int Tokens = 200;

    public static async Task<(List<BenchRow> Rows, string Note)> RunAsync()
    {
        var seconds = Environment.GetEnvironmentVariable("LANYARD_SOAK_SECONDS") ?? "3600";
        var soak = await MeasureAsync(ProxyTarget.Published, TimeSpan.FromSeconds(int.Parse(seconds, CultureInfo.InvariantCulture)));
        return (
            [BenchRow.Cost($"memory in the last fifth of {seconds} s against the second (PSS)", soak.Late, soak.Early, "second fifth", "MB", 0.95)],
            $"{soak.Rounds} rounds of {Watches} watches and {Requests} requests");
    }

    public static async Task<Soak> MeasureAsync(string program, TimeSpan duration)
    {
        await using var bed = await ProxyBed.StartAsync(withUpstream: false);
        await using var upstream = await StreamUpstream.StartAsync(bed.Certificate);
        var target = await ProxyTarget.OursAsync(bed, upstream.Secured, tls: true, program);
        var heaps = MemoryUse.NativeHeapsOf(target.Process);
        var tokens = Enumerable.Range(0, Tokens).Select(_ => bed.Token()).ToList();
#pragma warning disable CA5359 // The benchmark's own certificate.
        using var client = new HttpClient(new SocketsHttpHandler { SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = static (_, _, _, _) => true } });
#pragma warning restore CA5359
        client.BaseAddress = target.Url;
        var samples = new List<(TimeSpan At, double Memory)>();
        var began = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(began) < duration)
        {
            await RoundAsync(client, target, tokens);
            samples.Add((TimeProvider.System.GetElapsedTime(began), MemoryUse.PssOf(target.Process)));
        }
        return new(Between(samples, duration, 0.2, 0.4), Between(samples, duration, 0.8, double.MaxValue), samples.Count, heaps, MemoryUse.NativeHeapsOf(target.Process));
    }

    private static double Between(List<(TimeSpan At, double Memory)> samples, TimeSpan duration, double from, double to) =>
        Samples.Median(samples.Where(s => s.At / duration >= from && s.At / duration < to).Select(static s => s.Memory));

    private static async Task RoundAsync(HttpClient client, ProxyTarget target, List<string> tokens)
    {
        using (var watchers = new Watchers())
        {
            await watchers.OpenAsync(target, tokens[0], Watches, eventsPerSecond: 10);
            await Parallel.ForAsync(0, Requests, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (i, _) => await GetAsync(client, tokens[i % tokens.Count], HttpStatusCode.OK));
        }
        await Parallel.ForAsync(0, 20, async (_, _) => await GetAsync(client, tokens[0][..^8] + "AAAAAAAA", HttpStatusCode.Unauthorized));
        await Parallel.ForAsync(0, 20, async (i, _) => await GoAwayAsync(client, tokens[i]));
    }

    private static async Task GetAsync(HttpClient client, string token, HttpStatusCode expected)
    {
        using var request = Request(ProxyBed.Small, token);
        using var answer = await client.SendAsync(request);
        if (answer.StatusCode != expected)
            throw new InvalidOperationException($"{(int)answer.StatusCode}: {await answer.Content.ReadAsStringAsync()}");
        await answer.Content.ReadAsByteArrayAsync();
    }

    /// <summary>Takes the head of a watch's answer and drops the connection.</summary>
    private static async Task GoAwayAsync(HttpClient client, string token)
    {
        using var request = Request("/api/v1/configmaps?watch=1&eventsPerSecond=100", token);
        using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        await using var stream = await answer.Content.ReadAsStreamAsync();
        await stream.ReadExactlyAsync(new byte[16]);
    }

    private static HttpRequestMessage Request(string path, string token)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return request;
    }
}

/// <param name="Early">Median memory in MB in the second fifth of the time.</param>
/// <param name="Late">In the last fifth.</param>
/// <param name="Rounds">So often all was done.</param>
/// <param name="HeapsAtStart">Heaps of the C library when it began to listen.</param>
/// <param name="HeapsAtEnd">And at the end.</param>
internal sealed record Soak(double Early, double Late, int Rounds, int HeapsAtStart, int HeapsAtEnd);
