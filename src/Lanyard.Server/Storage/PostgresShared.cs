using System.Collections.Concurrent;
using Npgsql;
using NpgsqlTypes;

namespace Lanyard.Server.Storage;

/// <summary>
/// Statements for one message. Those that may be one with others of their text (<see cref="Sql.OneOfMany"/>) are: their values go as arrays, one for each column, so that fifty rows cost
/// one statement of one text, however many they are.
/// </summary>
internal static class PostgresShared
{
    /// <summary>By the words of the statement, which are few: they stand in this program.</summary>
    private static readonly ConcurrentDictionary<string, (string Plain, string Checked)> Texts = new(StringComparer.Ordinal);

    /// <param name="isChecked">Whether a statement fails (as a division by zero) where it does not change as many rows as it was made of.</param>
    public static IEnumerable<NpgsqlBatchCommand> CommandsOf(IEnumerable<Sql> statements, bool isChecked)
    {
        var open = new List<List<Sql>>();
        foreach (var sql in statements)
        {
            if (sql.IsOneOfMany)
            {
                Add(open, sql);
                continue;
            }

            // Whoever is not shared may need what stands before it.
            foreach (var shared in open) yield return CommandOf(shared, isChecked);
            open.Clear();
            yield return isChecked ? PostgresDatabase.CheckedCommandOf(sql) : PostgresDatabase.BatchCommandOf(sql);
        }

        foreach (var shared in open) yield return CommandOf(shared, isChecked);
    }

    private static void Add(List<List<Sql>> open, Sql sql)
    {
        if (open.Find(others => others[0].HasTextOf(sql)) is { } same)
        {
            same.Add(sql);
        }
        else
        {
            open.Add([sql]);
        }
    }

    private static NpgsqlBatchCommand CommandOf(List<Sql> same, bool isChecked)
    {
        if (same.Count == 1)
        {
            return isChecked ? PostgresDatabase.CheckedCommandOf(same[0]) : PostgresDatabase.BatchCommandOf(same[0]);
        }

        var (text, values) = same[0].Build(static at => FormattableString.Invariant($"v.c{at}"));
        var (plain, checkedText) = Texts.GetOrAdd(text, static (text, columns) => TextsOf(text, columns), values.Count);
        var command = new NpgsqlBatchCommand(isChecked ? checkedText : plain);
        var rows = same.ConvertAll(static sql => sql.Values().ToArray());
        for (var i = 0; i < values.Count; i++)
        {
            command.Parameters.Add(ArrayOf(rows, i, values[i].Type));
        }

        if (isChecked) command.Parameters.Add(new NpgsqlParameter { Value = (long)same.Count, NpgsqlDbType = NpgsqlDbType.Bigint });
        return command;
    }

    private static (string Plain, string Checked) TextsOf(string text, int columns)
    {
        var names = string.Join(", ", Enumerable.Range(0, columns).Select(static i => FormattableString.Invariant($"c{i}")));
        var arrays = string.Join(", ", Enumerable.Range(1, columns).Select(static i => FormattableString.Invariant($"${i}")));
        var from = $"from unnest({arrays}) as v ({names})";
        var many = text.StartsWith("insert", StringComparison.Ordinal) ? ManyInserted(text, from) : ManyUpdated(text, from);
        var expected = FormattableString.Invariant($"${columns + 1}");
        return (many, $"with changed as ({many} returning 1) select 1 / (case when count(*) = {expected} then 1 else 0 end) from changed");
    }

    private static string ManyUpdated(string text, string from) => text.Insert(text.LastIndexOf("where ", StringComparison.Ordinal), from + " ");

    private static string ManyInserted(string text, string from)
    {
        const string Values = "values (";
        var at = text.LastIndexOf(Values, StringComparison.Ordinal);
        var end = text.LastIndexOf(')');
        return $"{text[..at]}select {text[(at + Values.Length)..end]} {from}";
    }

    private static NpgsqlParameter ArrayOf(List<SqlValue[]> rows, int column, SqlType type) => type switch
    {
        SqlType.Text => Parameter(rows.ConvertAll(row => (string?)row[column].Value).ToArray(), NpgsqlDbType.Text),
        SqlType.Bigint => Parameter(rows.ConvertAll(row => (long?)row[column].Value).ToArray(), NpgsqlDbType.Bigint),
        SqlType.Boolean => Parameter(rows.ConvertAll(row => (bool?)row[column].Value).ToArray(), NpgsqlDbType.Boolean),
        SqlType.Bytes => Parameter(rows.ConvertAll(row => (byte[]?)row[column].Value).ToArray(), NpgsqlDbType.Bytea),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, null),
    };

    private static NpgsqlParameter Parameter(Array values, NpgsqlDbType of) => new() { Value = values, NpgsqlDbType = NpgsqlDbType.Array | of };
}
