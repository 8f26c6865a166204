namespace Lanyard.Bench.Runs;

/// <summary>Runs that wait, written past the API as the API would have written them: copies of those that it made, one in each collection.</summary>
internal static class Backlog
{
    private const string Columns =
        "workspace, collection, definition, priority, phase, timeout_seconds, state, waiting, live, attempt, attempt_state, accepts, deadline, stop_by, offered_at, accepted_at, "
        + "started_at, ended_at, log_bytes, log_complete, cancel_requested_at, created_at, finished_at, version, definition_slug, step_count, held";

    /// <summary>To be called once, when each collection has one run.</summary>
    public static Task TakeOriginalsAsync(Psql psql) => psql.ExecuteAsync(
        "create table bench_originals as select runs.*, run_documents.document from runs join run_documents on run_documents.run = runs.id");

    /// <param name="each">Runs for each collection.</param>
    /// <param name="label">A label that they ask for; empty: none. With one that no runner has they wait for ever.</param>
    /// <param name="series">Digits that no earlier call had: ids must be new.</param>
    public static async Task FillAsync(Psql psql, int each, string label, int series)
    {
        var queue = label.Length == 0 ? "collection" : $"collection || '||{label}'";
        await psql.ExecuteAsync(
            $"""
            create temp table bench_new as select 'run_' || lpad('{series}' || lpad((row_number() over ())::text, 9, '0'), 26, '0') as new_id, bench_originals.*
                from bench_originals, generate_series(1, {each});
            insert into runs (id, queue, {Columns}) select new_id, {queue}, {Columns} from bench_new;
            insert into run_documents (run, document) select new_id, document from bench_new;
            """);
        await psql.ExecuteAsync("analyze runs");
        await psql.ExecuteAsync("analyze run_documents");
    }
}
