using System.Security.Cryptography;
using Lanyard.Bench.Parts;
using Lanyard.Bench.Rows;

namespace Lanyard.Bench.Cache;

/// <summary>One GiB up and down by a plain HTTP client, beside nginx on the same disk, and sixteen who read at once. Every read of ours is checked.</summary>
internal static class TransferRows
{
    public const long GiB = 1L << 30;
    private const int Readers = 16;
    private const int ReadersRepeated = 5;
    private const long Part = 256 << 20;
    private const double MiBs = GiB / (1 << 20);
    private static readonly string PartRange = $"0-{Part - 1}";

    public static async Task AddAsync(List<BenchRow> rows, List<string> notes)
    {
        await using var bed = await CacheBed.StartAsync();
        await using var nginx = await NginxPeer.StartAsync(bed.DataFolder + "-nginx");
        var file = await WriteFileAsync(bed.DataFolder + "-content");
        try
        {
            nginx.Add("content", file);
            var upload = await bed.ReserveAsync("content");
            await Curl.PutAsync(upload, file);
            await bed.FinaliseAsync("content", GiB);
            var again = await bed.ReserveAsync("again");
            await WarmUp.RunAsync(async () => MiBs / await Curl.GetAsync(await bed.FindAsync("content"), GiB));
            await WarmUp.RunAsync(async () => MiBs / await Curl.PutAsync(again, file));
            var medians = await new RoundLoop("transfers", [bed.ServerId, nginx.Id], TimeSpan.FromMinutes(3)).RunAsync(() => RoundAsync(bed, nginx, again, file));
            Add(rows, medians);
            notes.Add($"transfers by curl: {medians.Note}");
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static async Task<Dictionary<string, double>> RoundAsync(CacheBed bed, NginxPeer nginx, string upload, string file)
    {
        var (url, values) = (await bed.FindAsync("content"), new Dictionary<string, double>());
        await MeasureAsync(values, "our get", bed.ServerId, () => Curl.GetAsync(url, GiB));
        await MeasureAsync(values, "its get", nginx.Id, () => Curl.GetAsync(nginx.UrlOf("content"), GiB));
        await MeasureAsync(values, "our put", bed.ServerId, () => Curl.PutAsync(upload, file));
        await MeasureAsync(values, "its put", nginx.Id, () => Curl.PutAsync(nginx.UrlOf("put"), file));
        nginx.Remove("put");
        Forget(bed, Path.GetFileName(new Uri(upload).AbsolutePath));
        await ReadAsync(values, "our readers", bed.ServerId, url, "its readers", nginx.Id, nginx.UrlOf("content"));
        return values;
    }

    /// <summary>In turn, and several times: how much of the processor's shared cache is ours changes within seconds, and a restore by as much as a half with it.</summary>
    private static async Task ReadAsync(Dictionary<string, double> values, string our, int server, string url, string its, int peer, string peerUrl)
    {
        var (ours, theirs) = (new Dictionary<string, double>(), new Dictionary<string, double>());
        var (seconds, peerSeconds, cpu, peerCpu) = (0.0, 0.0, 0.0, 0.0);
        for (var i = 0; i < ReadersRepeated; i++)
        {
            await MeasureAsync(ours, our, server, () => Curl.GetAllAsync(url, Part, PartRange, Readers), Readers * Part);
            await MeasureAsync(theirs, its, peer, () => Curl.GetAllAsync(peerUrl, Part, PartRange, Readers), Readers * Part);
            (seconds, peerSeconds) = (seconds + 1 / ours[our], peerSeconds + 1 / theirs[its]);
            (cpu, peerCpu) = (cpu + ours[our + " cpu"], peerCpu + theirs[its + " cpu"]);
        }

        (values[our], values[its]) = (ReadersRepeated / seconds, ReadersRepeated / peerSeconds);
        (values[our + " cpu"], values[its + " cpu"]) = (cpu / ReadersRepeated, peerCpu / ReadersRepeated);
    }

    /// <summary>As with nginx, so that neither of them frees a GiB while it is measured: the next upload takes its place.</summary>
    private static void Forget(CacheBed bed, string blob)
    {
        foreach (var file in Directory.GetFiles(Path.Combine(bed.DataFolder, "cache", blob[..2], blob)))
            File.Delete(file);
    }

    /// <summary>MiB a second by the clock, and what a GiB costs the server, in milliseconds of CPU.</summary>
    private static async Task MeasureAsync(Dictionary<string, double> values, string name, int server, Func<Task<double>> transfer, long bytes = GiB)
    {
        var cpu = Cpu.OfFamily(server);
        values[name] = bytes / (double)(1 << 20) / await transfer();
        values[name + " cpu"] = (Cpu.OfFamily(server) - cpu) * 1000 * GiB / bytes;
    }

    private static void Add(List<BenchRow> rows, Medians medians)
    {
        BenchRow Rate(string what, string name, double goal, double? known = null) =>
            BenchRow.Rate(what, medians["our " + name], medians["its " + name], NginxPeer.Name, "MiB / s", goal, known);
        BenchRow Cost(string what, string name) =>
            BenchRow.Cost(what, medians[$"our {name} cpu"], medians[$"its {name} cpu"], NginxPeer.Name, "CPU-ms / GiB", 0);
        rows.AddRange(
        [
            Rate("GET 1 GiB, each byte checked, nginx checks none", "get", 0.6, 1350),
            Rate("PUT 1 GiB with its digests", "put", 0.7, 500),
            Rate("16 parallel restores, each byte checked", "readers", 1),
            Cost("GET 1 GiB, the server's CPU", "get"),
            Cost("PUT 1 GiB, the server's CPU", "put"),
            Cost("16 parallel restores, the server's CPU", "readers"),
        ]);
    }

    /// <summary>A server that has done the same in small, then a GiB up and down.</summary>
    public static async Task AddMemoryAsync(List<BenchRow> rows)
    {
        await using var bed = await CacheBed.StartAsync();
        var file = await WriteFileAsync(bed.DataFolder + "-content");
        try
        {
            for (var i = 0; i < 20; i++)
            {
                await bed.SaveAsync($"small-{i}", RandomNumberGenerator.GetBytes(4 << 20));
                await bed.ReadAsync($"small-{i}");
            }
            await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System);
            var idle = MemoryUse.PssOf(bed.ServerId);
            using var peak = new MemoryPeak(bed.ServerId);
            await Curl.PutAsync(await bed.ReserveAsync("content"), file);
            await bed.FinaliseAsync("content", GiB);
            var url = await bed.FindAsync("content");
            await Curl.GetAsync(url, GiB);
            rows.Add(BenchRow.Cost("memory over idle, 1 GiB up and down (PSS)", Math.Max(0, peak.Megabytes - idle), 64, BenchRow.Limit, "MB"));
            await Curl.GetAllAsync(url, Part, PartRange, Readers);
            rows.Add(BenchRow.Cost("memory over idle, 16 parallel restores (PSS)", Math.Max(0, peak.Megabytes - idle), 64, BenchRow.Limit, "MB"));
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>Bytes that nothing can compress.</summary>
    private static async Task<string> WriteFileAsync(string path)
    {
        await using var file = File.Create(path);
        for (var at = 0L; at < GiB; at += 64 << 20)
            await file.WriteAsync(RandomNumberGenerator.GetBytes(64 << 20));
        return path;
    }
}
