using Lanyard.Bench.Parts;
using Lanyard.Bench.Rows;
using Lanyard.Testing;

namespace Lanyard.Bench.Cache;

/// <summary>How many entries a second are reserved and finalised; look-ups among a million; what an eviction of a hundred thousand costs those who read.</summary>
internal static class EntryRows
{
    private const int Connections = 64;
    private const int AtOnce = 2000;

    public static async Task AddAsync(List<BenchRow> rows, List<string> notes)
    {
        var postgres = await PostgresServer.SharedAsync() ?? throw new InvalidOperationException("PostgreSQL is missing");
        if (CacheBench.Has("SQLite")) await MakeAsync("SQLite", null, [], 5000, rows, notes);
        if (CacheBench.Has("PostgreSQL")) await MakeAsync("PostgreSQL", await postgres.CreateDatabaseAsync(), [postgres.Id], 2000, rows, notes);
    }

    /// <summary>Reservations and finalisations, timed without the uploads between them; and all three.</summary>
    private static async Task MakeAsync(string name, string? database, int[] processes, double goal, List<BenchRow> rows, List<string> notes)
    {
        await using var bed = await CacheBed.StartAsync(database);
        using var load = await EntryLoad.StartAsync(bed, Connections);
        var round = 0;
        await WarmUp.RunAsync(async () => (await MeasureAsync(bed, load, $"warm-{round++}"))["pairs"]);
        var medians = await new RoundLoop($"entries on {name}", [bed.ServerId, .. processes], TimeSpan.FromSeconds(60)).RunAsync(() => MeasureAsync(bed, load, $"round-{round++}"));
        rows.Add(BenchRow.Rate($"reserve and finalise, {Connections} at once, {name}", medians["pairs"], goal, BenchRow.Limit, "entries / s", 1));
        rows.Add(BenchRow.Rate($"reserve and finalise, {name}, by the server's CPU", medians["pairs by cpu"], goal, BenchRow.Limit, "entries / CPU-s", 0));
        rows.Add(BenchRow.Rate($"reserve, upload 500 B and finalise, {name}", medians["saves"], 0, "none", "entries / s", 0));
        notes.Add($"reserve and finalise, {name}: {medians.Note}");
    }

    private static async Task<Dictionary<string, double>> MeasureAsync(CacheBed bed, EntryLoad load, string name)
    {
        var (cpu, began) = (Cpu.Of(bed.ServerId), TimeProvider.System.GetTimestamp());
        var uploads = await load.ReserveAsync(name, AtOnce);
        var (reserved, reservedCpu) = (TimeProvider.System.GetElapsedTime(began), Cpu.Of(bed.ServerId) - cpu);
        await load.UploadAsync(uploads);
        var (uploaded, uploadedCpu) = (TimeProvider.System.GetElapsedTime(began), Cpu.Of(bed.ServerId) - cpu);
        await load.FinaliseAsync(name, AtOnce);
        var (done, doneCpu) = (TimeProvider.System.GetElapsedTime(began), Cpu.Of(bed.ServerId) - cpu);
        return new()
        {
            ["pairs"] = AtOnce / (reserved + done - uploaded).TotalSeconds,
            ["pairs by cpu"] = AtOnce / (reservedCpu + doneCpu - uploadedCpu),
            ["saves"] = AtOnce / done.TotalSeconds,
        };
    }
}
