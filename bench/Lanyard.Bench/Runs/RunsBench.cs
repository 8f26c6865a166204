using Lanyard.Bench.Masking;
using Lanyard.Bench.Rows;

namespace Lanyard.Bench.Runs;

/// <summary>
/// Runs as many platform teams have them: many runners and collections, a long backlog, whole queues drained beside the queues that people would use instead, logs. All of it
/// takes a quarter of an hour; <c>bench/run runs-drain</c> and so on measure one part.
/// </summary>
internal static class RunsBench
{
    /// <summary>By the name of their part; the masks of logs are <c>bench/run mask</c>.</summary>
    public static IReadOnlyDictionary<string, Func<Task<(List<BenchRow> Rows, string Note)>>> Parts { get; } = new Dictionary<string, Func<Task<(List<BenchRow>, string)>>>(StringComparer.Ordinal)
    {
        ["runs-drain"] = () => OneAsync(DrainBench.MeasureAsync),
        ["runs-crowd"] = () => OneAsync(CrowdBench.MeasureAsync),
        ["runs-logs"] = () => OneAsync(LogBench.MeasureAsync),
        ["runs-herd"] = () => OneAsync(HerdBench.MeasureAsync),
    };

    public static async Task<(List<BenchRow> Rows, string Note)> RunAsync()
    {
        var rows = new List<BenchRow>();
        var notes = new List<string>();
        foreach (var part in Parts.Values.Append(MaskBench.RunAsync))
        {
            var (more, note) = await part();
            rows.AddRange(more);
            notes.Add(note);
        }
        return (rows, string.Join("\n", notes));
    }

    private static async Task<(List<BenchRow> Rows, string Note)> OneAsync(Func<List<BenchRow>, List<string>, Task> part)
    {
        var rows = new List<BenchRow>();
        var notes = new List<string>();
        await part(rows, notes);
        return (rows, string.Join("\n", notes));
    }
}
