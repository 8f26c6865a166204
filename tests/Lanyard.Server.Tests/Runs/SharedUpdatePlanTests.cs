using System.Globalization;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Runs;
using Lanyard.Server.Storage;
using Lanyard.Testing;
using Npgsql;
using NpgsqlTypes;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

/// <summary>
/// Changes of many runs that are told as one statement, beside 200,000 others: each row is reached by its key, in the order in which the changes stand, because batches of two replicas lock the
/// same rows in that order. With the plan made for the values and with the one that is made for any, which PostgreSQL turns to when a statement was used often.
/// </summary>
[Line("5.8")]
[Needs("postgres")]
public sealed class SharedUpdatePlanTests : BacklogFixture
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Each_row_is_reached_by_its_key_in_the_order_of_the_changes(bool isCounted)
    {
        if (isCounted)
            await Test.Database.ExecuteAsync($"analyze runs", Cancel);
        await using var connection = new NpgsqlConnection(PostgresLocation.Parse(Test.Location).ConnectionString);
        await connection.OpenAsync(Cancel);
        foreach (var count in (int[])[2, 50, 128])
        {
            var runs = await Runs.Store.WaitingInAsync("col_1", count, Cancel);
            var command = Assert.Single(PostgresShared.CommandsOf(runs.Select(static run => RunStore.Update(Accepted(run)).OneOfMany()), isChecked: true));
            foreach (var mode in (string[])["force_custom_plan", "force_generic_plan"])
            {
                var plan = await ExplainAsync(connection, command, mode);
                var said = $"{count} runs, {mode}: {plan.Pages} pages: {string.Join(", ", plan.Nodes)}";
                var join = plan.Nodes.IndexOf("Nested Loop");
                Assert.True(join >= 0 && plan.Nodes.Skip(join).Take(3).SequenceEqual(["Nested Loop", "Function Scan", "Index Scan on runs"]) && !plan.Nodes.Contains("Seq Scan on runs"), said);
                Assert.Equal(["runs_pkey"], plan.Indexes);
                Assert.True(plan.Pages < 60 * count, said);
            }
        }
    }

    private static RunRecord Accepted(RunRecord run) => run with { State = RunStates.Running, AttemptState = AttemptStates.Accepted, Attempt = 1, Version = run.Version + 1 };

    /// <summary>As the server prepares it. What it did is taken back.</summary>
    private static async Task<Plan> ExplainAsync(NpgsqlConnection connection, NpgsqlBatchCommand command, string mode)
    {
        await using var transaction = await connection.BeginTransactionAsync(Cancel);
        var parameters = command.Parameters.Cast<NpgsqlParameter>().ToList();
        await RunAsync($"set local plan_cache_mode = {mode}");
        await RunAsync($"prepare shared ({string.Join(", ", parameters.Select(static one => TypeOf(one.NpgsqlDbType)))}) as {command.CommandText}");
        await using var explain = new NpgsqlCommand($"explain (analyze, buffers, timing off, format json) execute shared ({string.Join(", ", parameters.Select(TextOf))})", connection);
        var json = (string)(await explain.ExecuteScalarAsync(Cancel))!;
        await RunAsync("deallocate shared");
        await transaction.RollbackAsync(Cancel);
        return Plan.Parse(json);

        async Task RunAsync(string sql)
        {
            await using var one = new NpgsqlCommand(sql, connection);
            await one.ExecuteNonQueryAsync(Cancel);
        }
    }

    /// <summary>What is explained can have no parameters.</summary>
    private static string TextOf(NpgsqlParameter parameter) => parameter.Value is Array values
        ? $"array[{string.Join(", ", values.Cast<object?>().Select(Quoted))}]::{TypeOf(parameter.NpgsqlDbType)}"
        : $"{Quoted(parameter.Value)}::{TypeOf(parameter.NpgsqlDbType)}";

    private static string Quoted(object? value) => value is null ? "null" : $"'{Convert.ToString(value, CultureInfo.InvariantCulture)}'";

    private static string TypeOf(NpgsqlDbType type) => (type & ~NpgsqlDbType.Array) switch
    {
        NpgsqlDbType.Text => "text",
        NpgsqlDbType.Bigint => "bigint",
        NpgsqlDbType.Boolean => "boolean",
        var other => throw new ArgumentOutOfRangeException(nameof(type), other, null),
    } + (type.HasFlag(NpgsqlDbType.Array) ? "[]" : "");
}
