using System.Globalization;
using System.Text.Json;
using Lanyard.Bench.Parts;
using Lanyard.Bench.Rows;

namespace Lanyard.Bench.Cache;

/// <summary>
/// The unmodified official client (with its tar and zstd), and <c>@azure/storage-blob</c> by itself, with a GiB (or so) that nothing can compress: against us and
/// against Azurite, the same process in turn.
/// </summary>
internal static class ClientRows
{
    private static readonly int Megabytes = CacheBench.Number("BENCH_CACHE_MEGABYTES", 1024);

    public static async Task AddAsync(List<BenchRow> rows, List<string> notes)
    {
        await using var bed = await CacheBed.StartAsync();
        await using var azurite = await AzuritePeer.StartAsync();
        var folder = Directory.CreateDirectory(bed.DataFolder + "-client");
        try
        {
            using var client = await NodePeer.StartClientAsync("cache-clients.mjs", folder.FullName, $"{Megabytes}", azurite.Url, AzuritePeer.Account, azurite.Key);
            await client.ReadAsync();
            var front = await AskAsync(client, new { op = "front" });
            var round = 0;
            Task<Dictionary<string, double>> RoundAsync() => MeasureAsync(bed, client, front, $"r{round++}");
            await RoundAsync();
            var medians = await new RoundLoop("clients", [bed.ServerId, azurite.Id, client.Id], TimeSpan.FromMinutes(3)).RunAsync(RoundAsync);
            Add(rows, medians);
            notes.Add($"clients: {medians.Note}");
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task<Dictionary<string, double>> MeasureAsync(CacheBed bed, NodePeer client, string front, string name)
    {
        var values = new Dictionary<string, double>();
        async Task TimeAsync(string what, object asked)
        {
            var before = Cpu.Of(client.Id);
            values[what] = Megabytes / double.Parse(await AskAsync(client, asked), CultureInfo.InvariantCulture) * 1000;
            values[what + " cpu"] = (Cpu.Of(client.Id) - before) * 1000 / Megabytes * 1024;
        }

        await AskAsync(client, new { op = "target", url = bed.Url.AbsoluteUri, token = bed.Token });
        await TimeAsync("our save", new { op = "save", name });
        await TimeAsync("our restore", new { op = "restore", name });
        await AskAsync(client, new { op = "target", url = front, token = "none" });
        await TimeAsync("its save", new { op = "save", name });
        await TimeAsync("its restore", new { op = "restore", name });
        await AskAsync(client, new { op = "drop", name });

        var blob = name + "-blob";
        await TimeAsync("our up", new { op = "up", url = await bed.ReserveAsync(blob) });
        await bed.FinaliseAsync(blob, (long)Megabytes << 20);
        await TimeAsync("our down", new { op = "down", url = await bed.FindAsync(blob) });
        var sas = await AskAsync(client, new { op = "sas", name = blob });
        await TimeAsync("its up", new { op = "up", url = sas });
        await TimeAsync("its down", new { op = "down", url = sas });
        await AskAsync(client, new { op = "drop", name = blob });
        await bed.DeleteAllAsync();
        return values;
    }

    private static void Add(List<BenchRow> rows, Medians medians)
    {
        BenchRow Rate(string what, string name, double goal, double? known = null) =>
            BenchRow.Rate(what, medians["our " + name], medians["its " + name], AzuritePeer.Name, "MiB / s", goal, known);
        rows.AddRange(
        [
            Rate($"@actions/cache 5.3.0 saves {Megabytes} MiB", "save", 1.1),
            Rate($"@actions/cache 5.3.0 restores {Megabytes} MiB", "restore", 1.1),
            Rate($"@azure/storage-blob uploads {Megabytes} MiB, blocks of 8, 4 at once", "up", 2, 167),
            Rate($"@azure/storage-blob downloads {Megabytes} MiB, ranges of 8, 4 at once", "down", 2, 265),
            BenchRow.Cost("@azure/storage-blob downloads, the client's own CPU", medians["our down cpu"], medians["its down cpu"], AzuritePeer.Name, "CPU-ms / GiB", 0),
            BenchRow.Cost("@azure/storage-blob uploads, the client's own CPU", medians["our up cpu"], medians["its up cpu"], AzuritePeer.Name, "CPU-ms / GiB", 0),
        ]);
    }

    private static Task<string> AskAsync(NodePeer client, object asked) => client.AskAsync(JsonSerializer.Serialize(asked));
}
