using Lanyard.Bench.Rows;
using Lanyard.Testing;
using Lanyard.Testing.Processes;

namespace Lanyard.Bench.Cache;

/// <summary>
/// Look-ups in a repository of a million entries: exact hits, restore keys that a few or all of the million begin with, and misses through every key and scope.
/// Entries that are found are real ones, saved last; the million is copied in the database.
/// </summary>
internal static class LookUpRows
{
    private const int Connections = 4;
    private const int Real = 200;
    private const int LookUps = 1000;
    private const int Million = 1_000_000;

    /// <summary>Copies of one entry: half of them in the caller's own scope, half in the default branch's. Their bytes are none.</summary>
    private const string Copy =
        """
        insert into cache_entries (id, workspace, repository, scope, version, key, folded, state, live, blob, staged_bytes, staged_count, committed, size, digest, subject,
            provenance, created, pending_until, ready_at, used_at, pull, read_until, producer_ref, producer_workflow, producer_actor, producer_token)
        select 1000000000 + n.n, workspace, repository, case when n.n % 2 = 0 then scope else 'refs/heads/main' end, version,
            'npm-' || (n.n % 1000) || '-' || n.n, 'npm-' || (n.n % 1000) || '-' || n.n, state, live,
            blob || '-' || n.n, 0, 0, committed, 0, digest, subject, provenance, created - 1000000 + (n.n % 900000), pending_until, ready_at, used_at, pull, read_until,
            producer_ref, producer_workflow, producer_actor, producer_token
        from cache_entries e, numbers n where e.key = 'template';
        """;

    public static async Task AddAsync(List<BenchRow> rows, List<string> notes)
    {
        if (CacheBench.Has("SQLite")) await MeasureAsync("SQLite", null, rows, notes);
        if (!CacheBench.Has("PostgreSQL")) return;
        var postgres = await PostgresServer.SharedAsync() ?? throw new InvalidOperationException("PostgreSQL is missing");
        await MeasureAsync("PostgreSQL", postgres, rows, notes);
    }

    private static async Task MeasureAsync(string name, PostgresServer? postgres, List<BenchRow> rows, List<string> notes)
    {
        var database = postgres is null ? null : await postgres.CreateDatabaseAsync();
        await using var bed = await CacheBed.StartAsync(database);
        await bed.SaveAsync("template", [1]);
        await bed.StopServerAsync();
        await FillAsync(bed, postgres, database);
        await bed.ResumeAsync();
        for (var i = 0; i < Real; i++)
            await bed.SaveAsync($"npm-{i}-new-{i}", [1, 2, 3]);

        using var load = await EntryLoad.StartAsync(bed, Connections);
        await WarmUp.RunAsync(async () => 1000 / (await RoundAsync(bed, load)).Values.Sum());
        var medians = await new RoundLoop($"look-ups on {name}", postgres is null ? [bed.ServerId] : [bed.ServerId, postgres.Id], TimeSpan.FromSeconds(60)).RunAsync(() => RoundAsync(bed, load));
        foreach (var kind in (string[])["exact", "few", "all", "miss"])
        {
            var what = $"look-up among 1,000,000 entries, {Describe(kind)}";
            rows.Add(BenchRow.Cost($"{what}, one at a time, p99, {name}", medians[kind + " alone"], 5, BenchRow.Limit, "ms"));
            rows.Add(BenchRow.Cost($"{what}, {Connections} at once without a pause, p99, {name}", medians[kind], 5, BenchRow.Limit, "ms"));
        }
        notes.Add($"look-ups, {name}: {medians.Note}");
    }

    private static string Describe(string kind) => kind switch
    {
        "exact" => "exact",
        "few" => "restore key of 1,000",
        "all" => "restore key of all",
        _ => "miss through 10 keys",
    };

    private static async Task<Dictionary<string, double>> RoundAsync(CacheBed bed, EntryLoad load)
    {
        var values = new Dictionary<string, double>();
        async Task TimeAsync(string kind, bool isHit, Func<int, string> keys)
        {
            var requests = Enumerable.Range(0, LookUps).Select(i => bed.Request("GetCacheEntryDownloadURL", $$"""{"version":"{{CacheBed.Version}}",{{keys(i)}}}""")).ToArray();
            values[kind] = Samples.Percentile(await load.LookUpAsync(requests, isHit), 0.99);
            values[kind + " alone"] = Samples.Percentile(await load.LookUpAsync(requests, isHit, connections: 1), 0.99);
        }

        await TimeAsync("exact", true, static i => $"\"key\":\"npm-{i % Real}-new-{i % Real}\"");
        await TimeAsync("few", true, static i => $"\"key\":\"none-{i}\",\"restore_keys\":[\"npm-{i % Real}-\"]");
        await TimeAsync("all", true, static i => $"\"key\":\"none-{i}\",\"restore_keys\":[\"npm-\"]");
        await TimeAsync("miss", false, static i => $"\"key\":\"none-{i}\",\"restore_keys\":[{string.Join(',', Enumerable.Range(0, 9).Select(j => $"\"npm-{i}x{j}-\""))}]");
        return values;
    }

    private static async Task FillAsync(CacheBed bed, PostgresServer? postgres, string? database)
    {
        if (postgres is null)
        {
            // The filling is not what is measured.
            var numbers = $"pragma cache_size = -500000; pragma synchronous = off; create temp table numbers as with recursive n(n) as (select 1 union all select n + 1 from n where n < {Million}) select n from n;";
            (await Command.RunAsync("sqlite3", [Path.Combine(bed.DataFolder, "lanyard.db")], input: $"{numbers} {Copy}", deadline: TimeSpan.FromMinutes(5))).Succeeded();
            return;
        }
        // As it is where a million have come one by one: not while it is cleaned up behind them all.
        var made = $"create temp table numbers as select n from generate_series(1, {Million}) as n(n); {Copy} vacuum (analyze) cache_entries; checkpoint;";
        var name = new Uri(database!.Replace("postgres:///", "postgres://x/", StringComparison.Ordinal)).AbsolutePath.Trim('/');
        string[] arguments = ["-h", postgres.SocketFolder, "-U", PostgresServer.User, "-v", "ON_ERROR_STOP=1", "-q", name];
        (await Command.RunAsync(Path.Combine(postgres.Binaries, "psql"), arguments, input: made, deadline: TimeSpan.FromMinutes(5))).Succeeded();
    }
}
