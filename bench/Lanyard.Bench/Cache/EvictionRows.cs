using Lanyard.Bench.Rows;

namespace Lanyard.Bench.Cache;

/// <summary>A hundred thousand entries with their files go, in waves, because a quota shrinks, while others restore what stays.</summary>
internal static class EvictionRows
{
    private const int AtOnce = 5000;
    private const int Kept = 64;
    private const int Readers = 8;
    private const int Waves = 10;
    private const int QuietSlices = 3;
    private const int SlicesALook = 3;
    private static readonly int Entries = CacheBench.Number("BENCH_CACHE_ENTRIES", 100_000);
    private static readonly TimeSpan Slice = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan AtMost = TimeSpan.FromMinutes(40);

    public static async Task AddAsync(List<BenchRow> rows, List<string> notes)
    {
        await using var bed = await CacheBed.StartAsync();
        using (var writers = await EntryLoad.StartAsync(bed, 64))
        {
            for (var i = 0; i < Entries / AtOnce; i++)
                await SaveAsync(writers, $"old-{i}", AtOnce);
            await SaveAsync(writers, "kept", Kept);
        }

        // Whatever was looked up a moment ago is kept from eviction.
        using var readers = await EntryLoad.StartAsync(bed, Readers);
        await WarmUp.RunAsync(() => readers.RestoreAsync("kept", Kept, Slice));
        var (quiet, during, slices, took) = (new List<double> { await QuietAsync(readers) }, new List<double>(), 0, TimeSpan.Zero);
        for (var left = Waves - 1; left >= 0; left--)
        {
            await bed.SetLimitsAsync(repositoryBytes: Math.Max(1000, (long)Entries * left / Waves * EntryLoad.EntryBytes));
            await bed.SaveAsync($"last-{left}", [1]);
            var (rates, wave) = await WatchAsync(bed, readers, (Entries * left / Waves) + (2 * Kept));
            during.Add(Samples.Median(rates));
            quiet.Add(await QuietAsync(readers));
            (slices, took) = (slices + rates.Count, took + wave);
        }

        // The rate without an eviction changes with what there still is, and with the machine: each wave is compared with what was before and after it.
        var undisturbed = quiet.Zip(quiet.Skip(1), static (before, after) => (before + after) / 2).Average();
        rows.Add(BenchRow.Rate(FormattableString.Invariant($"restores of small entries while {Entries:n0} others are evicted"), during.Average(), undisturbed, "no eviction", "restores / s", 0.9));
        rows.Add(BenchRow.Rate("evicted, while others are served", Entries / took.TotalSeconds, 0, "none", "entries / s", 0));
        notes.Add(FormattableString.Invariant($"eviction: {Waves} waves, {slices} slices of 2 s in them, {QuietSlices} before and after each, {took.TotalSeconds:0} s of eviction in all; by waves ")
            + string.Join(", ", during.Select((rate, i) => FormattableString.Invariant($"{rate / ((quiet[i] + quiet[i + 1]) / 2):0.00}"))));
    }

    private static async Task<double> QuietAsync(EntryLoad readers)
    {
        var rates = new List<double>();
        while (rates.Count < QuietSlices)
            rates.Add(await readers.RestoreAsync("kept", Kept, Slice));
        return Samples.Median(rates);
    }

    private static async Task SaveAsync(EntryLoad writers, string name, int count)
    {
        await writers.UploadAsync(await writers.ReserveAsync(name, count));
        await writers.FinaliseAsync(name, count);
    }

    /// <summary>Until rows and files are gone. Files are counted after a few slices only: meanwhile nobody reads, and the eviction goes on faster.</summary>
    private static async Task<(List<double> Rates, TimeSpan Took)> WatchAsync(CacheBed bed, EntryLoad readers, int most)
    {
        var (rates, began) = (new List<double>(), TimeProvider.System.GetTimestamp());
        do
        {
            if (TimeProvider.System.GetElapsedTime(began) > AtMost)
                throw new InvalidOperationException($"the eviction is not over: {await bed.UsageAsync()}");
            for (var i = 0; i < SlicesALook; i++)
                rates.Add(await readers.RestoreAsync("kept", Kept, Slice));
        }
        while (Directory.EnumerateDirectories(Path.Combine(bed.DataFolder, "cache")).Sum(static folder => Directory.GetDirectories(folder).Length) > most);
        return (rates, TimeProvider.System.GetElapsedTime(began));
    }
}
