using System.Text.Json;
using Lanyard.Server.Storage;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

/// <summary>200,000 runs that wait in a PostgreSQL, and the plans of what is asked beside them.</summary>
public abstract class BacklogFixture : IAsyncLifetime
{
    private const int Backlog = 200_000;

    /// <summary>Pages of 8 KiB; the whole table has some ten thousand.</summary>
    private protected const long FewPages = 1200;

    private readonly ManualTime _time = new();
    private protected TestDatabase Test { get; private set; } = null!;

    private protected RunsHarness Runs { get; private set; } = null!;

    private protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        Test = await TestDatabase.CreateAsync(DatabaseKind.Postgres);
        Runs = RunsHarness.On(Test.Database, _time);
        await Runs.CreateRunAsync();
        await Test.Database.ExecuteAsync(
            $"""
            insert into runs (id, workspace, collection, definition, queue, priority, phase, timeout_seconds, state, waiting, live, attempt, attempt_state, accepts, deadline, stop_by, offered_at,
                accepted_at, started_at, ended_at, log_bytes, log_complete, cancel_requested_at, created_at, finished_at, version, definition_slug, step_count)
            select 'run_' || lpad(n::text, 26, '0'), workspace, 'col_' || (n % 100 / 98 + 1), definition, 'col_' || (n % 100 / 98 + 1) || case when n % 10 = 0 then '||gpu' else '' end, n % 3, phase,
                timeout_seconds, state, true, false, 0, '', 0, 0, 0, 0, 0, 0, 0, 0, false, 0, created_at, 0, 1, definition_slug, step_count
            from runs, generate_series(1, {Backlog}) as n
            """,
            Cancel);
    }

    public async ValueTask DisposeAsync()
    {
        if (Test is not null)
        {
            await Runs.DisposeAsync();
            await Test.DisposeAsync();
        }
        GC.SuppressFinalize(this);
    }

    /// <summary>Runs it, and takes back what it did.</summary>
    private protected async Task<Plan> ExplainAsync(Sql sql)
    {
        var json = "";
        await Assert.ThrowsAsync<UndoneException>(() => Test.Database.TransactionAsync(
            async transaction =>
            {
                json = (await transaction.QueryAsync($"explain (analyze, buffers, timing off, format json) {sql.Part}", static row => row.GetString(0)))[0];
                throw new UndoneException();
            },
            Cancel));
        return Plan.Parse(json);
    }

    private sealed class UndoneException : Exception;

    private protected sealed class Plan
    {
        /// <summary>Each before those that it takes its rows from, the outer one of a join first.</summary>
        public List<string> Nodes { get; } = [];

        public List<string> Indexes { get; } = [];

        public long Pages { get; private init; }

        public static Plan Parse(string json)
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement[0].GetProperty("Plan");
            var plan = new Plan { Pages = root.GetProperty("Shared Hit Blocks").GetInt64() + root.GetProperty("Shared Read Blocks").GetInt64() };
            plan.Read(root);
            return plan;
        }

        private void Read(JsonElement node)
        {
            Nodes.Add(node.GetProperty("Node Type").GetString()! + (node.TryGetProperty("Relation Name", out var relation) ? $" on {relation.GetString()}" : ""));
            if (node.TryGetProperty("Index Name", out var index))
                Indexes.Add(index.GetString()!);
            foreach (var child in node.TryGetProperty("Plans", out var plans) ? plans.EnumerateArray() : default)
                Read(child);
        }
    }
}
