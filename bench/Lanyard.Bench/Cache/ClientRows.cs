using System.Globalization;
using System.Text.Json;
using Lanyard.Bench.Parts;
using Lanyard.Bench.Rows;

namespace Lanyard.Bench.Cache;

/// <summary>
/// The unmodified official client (with its tar and zstd), and <c>@azure/storage-blob</c> by itself, with a GiB (or so) that nothing can compress: against us and
/// against Azurite, the same process in turn. Azurite on disk is what is compared; with its bytes in memory it is measured beside.
/// </summary>
internal static class ClientRows
{
    private static readonly int Megabytes = CacheBench.Number("BENCH_CACHE_MEGABYTES", 1024);

    public static async Task AddAsync(List<BenchRow> rows, List<string> notes)
    {
        await using var bed = await CacheBed.StartAsync();
        await using var azurite = await AzuritePeer.StartAsync(bed.DataFolder + "-azurite", isInMemory: false);
        await using var memory = await AzuritePeer.StartAsync(bed.DataFolder + "-memory", isInMemory: true);
        var folder = Directory.CreateDirectory(bed.DataFolder + "-client");
        try
        {
            using var client = await NodePeer.StartClientAsync("cache-clients.mjs", folder.FullName, $"{Megabytes}", AzuritePeer.Account, azurite.Url, azurite.Key, memory.Url, memory.Key);
            await client.ReadAsync();
            var front = await AskAsync(client, new { op = "front" });
            var round = 0;
            Task<Dictionary<string, double>> RoundAsync() => MeasureAsync(bed, client, front, $"r{round++}");
            await RoundAsync();
            var medians = await new RoundLoop("clients", [bed.ServerId, azurite.Id, memory.Id, client.Id], TimeSpan.FromMinutes(3)).RunAsync(RoundAsync);
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
            var told = (await AskAsync(client, asked)).Split(' ').Select(static number => double.Parse(number, CultureInfo.InvariantCulture)).ToArray();
            values[what] = Megabytes / told[0] * 1000;
            values[what + " cpu"] = told[1] / Megabytes * 1024;
        }

        await AskAsync(client, new { op = "target", url = bed.Url.AbsoluteUri, token = bed.Token });
        await TimeAsync("our save", new { op = "save", name });
        await TimeAsync("our restore", new { op = "restore", name });
        await AskAsync(client, new { op = "target", url = front, token = "none" });
        await TimeAsync("its save", new { op = "save", name });
        await TimeAsync("its restore", new { op = "restore", name });
        await AskAsync(client, new { op = "drop", peer = "disk", name });

        var blob = name + "-blob";
        await TimeAsync("our up", new { op = "up", url = await bed.ReserveAsync(blob) });
        await bed.FinaliseAsync(blob, (long)Megabytes << 20);
        await TimeAsync("our down", new { op = "down", url = await bed.FindAsync(blob) });
        foreach (var (whose, peer) in new[] { ("its", "disk"), ("memory's", "memory") })
        {
            var sas = await AskAsync(client, new { op = "sas", peer, name = blob });
            await TimeAsync($"{whose} up", new { op = "up", url = sas });
            await TimeAsync($"{whose} down", new { op = "down", url = sas });
            await AskAsync(client, new { op = "drop", peer, name = blob });
        }

        await bed.DeleteAllAsync();
        return values;
    }

    private static void Add(List<BenchRow> rows, Medians medians)
    {
        BenchRow Rate(string what, string name, double goal, double? known = null, string whose = "its", string where = "") =>
            BenchRow.Rate(what, medians["our " + name], medians[$"{whose} {name}"], AzuritePeer.Name + where, "MiB / s", goal, known);
        rows.AddRange(
        [
            Rate($"@actions/cache 5.3.0 saves {Megabytes} MiB", "save", 1.1),
            Rate($"@actions/cache 5.3.0 restores {Megabytes} MiB", "restore", 1.1),
            Rate($"@azure/storage-blob uploads {Megabytes} MiB, blocks of 8, 4 at once", "up", 2, 167),
            Rate($"@azure/storage-blob downloads {Megabytes} MiB, ranges of 8, 4 at once", "down", 2, 265),
            Rate($"@azure/storage-blob uploads {Megabytes} MiB", "up", 0, whose: "memory's", where: " in memory"),
            Rate($"@azure/storage-blob downloads {Megabytes} MiB", "down", 0, whose: "memory's", where: " in memory"),
            BenchRow.Cost("@azure/storage-blob downloads, the client's own CPU", medians["our down cpu"], medians["its down cpu"], AzuritePeer.Name, "CPU-ms / GiB", 0),
            BenchRow.Cost("@azure/storage-blob uploads, the client's own CPU", medians["our up cpu"], medians["its up cpu"], AzuritePeer.Name, "CPU-ms / GiB", 0),
        ]);
    }

    private static Task<string> AskAsync(NodePeer client, object asked) => client.AskAsync(JsonSerializer.Serialize(asked));
}
