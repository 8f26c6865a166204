using Npgsql;

namespace Lanyard.Server.Storage;

/// <summary>
/// Jobs as one transaction. Where all say beforehand what their statements change, everything goes out in one message, and what was said is checked on the way: a statement that
/// does not keep to it fails the transaction, which is then made again in two journeys: the first statements of all jobs, and what follows from their counts, with the commit.
/// </summary>
/// <param name="isSynced">Whether the commit waits for the disk.</param>
internal sealed class PostgresBatches(NpgsqlDataSource source, bool isSynced = true)
{
    /// <summary>For this transaction only.</summary>
    private const string WithoutSync = "select set_config('synchronous_commit', 'off', true)";

    /// <returns>Null when the batch is committed; otherwise why nothing of it is.</returns>
    public async Task<PostgresFailure?> TryAsync(List<PostgresJob> batch)
    {
        if (batch.TrueForAll(static job => job.IsForeseen) && batch.Exists(static job => job.GoesOn)
            && (await TryForeseenAsync(batch) is not { MayRepeat: true } and var foreseen))
        {
            return foreseen;
        }

        var isLast = false;
        try
        {
            await using var connection = await source.OpenConnectionAsync();
            if (!batch.Exists(static job => job.GoesOn))
            {
                isLast = true;
                var lone = await FirstAsync(connection, batch, isSynced);
                for (var i = 0; i < batch.Count; i++)
                {
                    await batch[i].GoOnAsync(connection, lone[i], []);
                }

                return null;
            }

            // It sends nothing: the transaction begins with the first statement.
            await using var transaction = await connection.BeginTransactionAsync();
            var later = new List<Sql>();
            var counts = await FirstAsync(connection, batch, isSynced: true);
            for (var i = 0; i < batch.Count; i++)
            {
                await batch[i].GoOnAsync(connection, counts[i], later);
            }

            isLast = true;
            await LastAsync(connection, later);
            return null;
        }
        catch (Exception exception)
        {
            Undo(batch, isCertain: !isLast);
            return new PostgresFailure(exception, isLast);
        }
    }

    /// <summary>Everything in one message, which is a transaction by itself.</summary>
    private async Task<PostgresFailure?> TryForeseenAsync(List<PostgresJob> batch)
    {
        var isSent = false;
        try
        {
            await using var connection = await source.OpenConnectionAsync();
            await using var message = new NpgsqlBatch(connection);
            Add(message, PostgresShared.CommandsOf(batch.SelectMany(static job => job.First), isChecked: true));

            var later = new List<Sql>();
            foreach (var job in batch)
            {
                await job.GoOnAsync(null, [.. job.First.Select(static _ => 1)], later);
            }

            Add(message, PostgresShared.CommandsOf(later, isChecked: false));
            isSent = true;
            await message.ExecuteNonQueryAsync();
            return null;
        }
        catch (Exception exception)
        {
            var failure = new PostgresFailure(exception, isSent);
            Undo(batch, isCertain: failure.MayRepeat);
            return failure;
        }
    }

    private static void Undo(List<PostgresJob> batch, bool isCertain)
    {
        for (var i = batch.Count - 1; i >= 0; i--)
        {
            batch[i].Undone(isCertain);
        }
    }

    /// <summary>
    /// The first statements of all jobs in one journey. Without a transaction around them they are one by themselves. Kinds are locked before any row, and in one order, so that no two batches
    /// wait for each other; each statement after that sees what was committed before it.
    /// </summary>
    /// <returns>The counts of each job's.</returns>
    private static async Task<int[][]> FirstAsync(NpgsqlConnection connection, List<PostgresJob> jobs, bool isSynced)
    {
        await using var batch = new NpgsqlBatch(connection);
        if (!isSynced)
        {
            batch.BatchCommands.Add(new NpgsqlBatchCommand(WithoutSync));
        }

        foreach (var kind in jobs.Select(static job => job.Kind).OfType<string>().Select(PostgresHolds.KeyOf).Distinct().Order())
        {
            batch.BatchCommands.Add(PostgresDatabase.BatchCommandOf($"select pg_advisory_xact_lock({kind})"));
        }

        var before = batch.BatchCommands.Count;

        foreach (var sql in jobs.SelectMany(static job => job.First))
        {
            batch.BatchCommands.Add(PostgresDatabase.BatchCommandOf(sql));
        }

        if (batch.BatchCommands.Count > 0)
        {
            await ReadAsync(batch, jobs, before);
        }

        var at = before;
        return [.. jobs.Select(job => job.First.Select(_ => batch.BatchCommands[at++].RecordsAffected).ToArray())];
    }

    /// <summary>Statements without rows give no result to stop at: the n-th result is that of the n-th query.</summary>
    /// <param name="before">So many queries, whose results say nothing, stand before the jobs' statements.</param>
    private static async Task ReadAsync(NpgsqlBatch batch, List<PostgresJob> jobs, int before)
    {
        await using var reader = await batch.ExecuteReaderAsync();
        for (var i = 0; i < before; i++)
        {
            await reader.NextResultAsync();
        }

        foreach (var job in jobs)
        {
            if (job.IsQuery)
            {
                await job.ReadAsync(reader);
                await reader.NextResultAsync();
            }
        }
    }

    /// <summary>What was left for the end, and the commit, in one journey.</summary>
    internal static async Task LastAsync(NpgsqlConnection connection, List<Sql> statements)
    {
        await using var batch = new NpgsqlBatch(connection);
        Add(batch, PostgresShared.CommandsOf(statements, isChecked: false));
        batch.BatchCommands.Add(new NpgsqlBatchCommand("commit"));
        await batch.ExecuteNonQueryAsync();
    }

    private static void Add(NpgsqlBatch message, IEnumerable<NpgsqlBatchCommand> commands)
    {
        foreach (var command in commands)
        {
            message.BatchCommands.Add(command);
        }
    }
}

/// <summary>Why a batch is not on disk, or may not be.</summary>
/// <param name="WasLast">The commit was on its way.</param>
internal sealed record PostgresFailure(Exception Exception, bool WasLast)
{
    /// <summary>Nothing took effect, and another try may go better. After an answer that never came it is not known what did.</summary>
    public bool MayRepeat => Exception is PostgresException postgres ? postgres.SqlState is not (['5', '7', ..] or ['0', '8', ..]) : Exception is not NpgsqlException && !WasLast;

    public bool IsLock => Exception is PostgresException { SqlState: PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure };

    /// <summary>As the caller is to hear of it.</summary>
    public Exception Told => Exception is PostgresException postgres && PostgresDatabase.ViolationOf(postgres) is { } violation ? violation : Exception;
}
