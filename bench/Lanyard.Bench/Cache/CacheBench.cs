using Lanyard.Bench.Rows;

namespace Lanyard.Bench.Cache;

/// <summary>The GitHub Actions cache: its bytes beside nginx and Azurite, its clients, its entries.</summary>
internal static class CacheBench
{
    /// <summary>One part, for whoever works on it.</summary>
    public const string PartVariable = "BENCH_CACHE_PART";

    /// <summary>One database, for the same.</summary>
    private const string DatabaseVariable = "BENCH_CACHE_DATABASE";

    public static bool Has(string database) => (Environment.GetEnvironmentVariable(DatabaseVariable) ?? database) == database;

    /// <summary>For whoever has less time: the row's name says what was measured.</summary>
    public static int Number(string variable, int usual) =>
        Environment.GetEnvironmentVariable(variable) is { } text ? int.Parse(text, System.Globalization.CultureInfo.InvariantCulture) : usual;

    public static async Task<(List<BenchRow> Rows, string Note)> RunAsync()
    {
        var (rows, notes) = (new List<BenchRow>(), new List<string>());
        var parts = new Dictionary<string, Func<Task>>(StringComparer.Ordinal)
        {
            ["transfers"] = () => TransferRows.AddAsync(rows, notes),
            ["memory"] = () => TransferRows.AddMemoryAsync(rows),
            ["clients"] = () => ClientRows.AddAsync(rows, notes),
            ["entries"] = () => EntryRows.AddAsync(rows, notes),
            ["look-ups"] = () => LookUpRows.AddAsync(rows, notes),
            ["eviction"] = () => EvictionRows.AddAsync(rows, notes),
        };
        var only = Environment.GetEnvironmentVariable(PartVariable);
        foreach (var (name, part) in parts)
        {
            if (only is null || only == name)
                await part();
        }
        return (rows, string.Join("\n", notes));
    }
}
