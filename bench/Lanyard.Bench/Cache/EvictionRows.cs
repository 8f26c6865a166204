using Lanyard.Bench.Rows;

namespace Lanyard.Bench.Cache;

/// <summary>A hundred thousand entries with their files go because a quota has shrunk, while others restore what stays.</summary>
internal static class EvictionRows
{
    private const int AtOnce = 5000;
    private const int Kept = 64;
    private const int Readers = 8;
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
        var before = new List<double>();
        for (var i = 0; i < Samples.Wanted; i++)
            before.Add(await readers.RestoreAsync("kept", Kept, Slice));
        await bed.SetLimitsAsync(repositoryBytes: 1000);
        await bed.SaveAsync("last", [1]);
        var (during, took) = await WatchAsync(bed, readers);
        var after = new List<double>();
        for (var i = 0; i < Samples.Wanted; i++)
            after.Add(await readers.RestoreAsync("kept", Kept, Slice));

        var undisturbed = Samples.Median([.. before, .. after]);
        rows.Add(BenchRow.Rate(FormattableString.Invariant($"restores of small entries while {Entries:n0} others are evicted"), Samples.Median(during), undisturbed, "no eviction", "restores / s", 0.9));
        rows.Add(BenchRow.Rate("evicted, while others are served", Entries / took.TotalSeconds, 0, "none", "entries / s", 0));
        notes.Add(FormattableString.Invariant($"eviction: {during.Count} slices of 2 s, {before.Count + after.Count} before and after it, {took.TotalSeconds:0} s in all"));
    }

    private static async Task SaveAsync(EntryLoad writers, string name, int count)
    {
        await writers.UploadAsync(await writers.ReserveAsync(name, count));
        await writers.FinaliseAsync(name, count);
    }

    /// <summary>Until rows and files are gone.</summary>
    private static async Task<(List<double> Rates, TimeSpan Took)> WatchAsync(CacheBed bed, EntryLoad readers)
    {
        var (rates, began) = (new List<double>(), TimeProvider.System.GetTimestamp());
        while (Directory.EnumerateDirectories(Path.Combine(bed.DataFolder, "cache")).Sum(static folder => Directory.GetDirectories(folder).Length) > 2 * Kept)
        {
            if (TimeProvider.System.GetElapsedTime(began) > AtMost)
                throw new InvalidOperationException($"the eviction is not over: {await bed.UsageAsync()}");
            rates.Add(await readers.RestoreAsync("kept", Kept, Slice));
        }
        return (rates, TimeProvider.System.GetElapsedTime(began));
    }
}
