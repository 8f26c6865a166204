using Lanyard.Bench.Masking;
using Lanyard.Bench.Rows;

namespace Lanyard.Bench.Runs;

/// <summary>Runs as many platform teams have them: many runners and collections, a long backlog, whole queues drained beside the queues that people would use instead, logs.</summary>
internal static class RunsBench
{
    public static async Task<(List<BenchRow> Rows, string Note)> RunAsync()
    {
        var rows = new List<BenchRow>();
        var notes = new List<string>();
        foreach (var part in (Func<List<BenchRow>, List<string>, Task>[])[DrainBench.MeasureAsync, CrowdBench.MeasureAsync, LogBench.MeasureAsync, HerdBench.MeasureAsync])
            await part(rows, notes);
        var (masking, note) = await MaskBench.RunAsync();
        rows.AddRange(masking);
        notes.Add(note);
        return (rows, string.Join("\n", notes));
    }
}
