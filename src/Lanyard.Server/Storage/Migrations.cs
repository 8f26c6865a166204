using System.Security.Cryptography;
using System.Text;

namespace Lanyard.Server.Storage;

/// <summary>
/// Brings the schema up to date from the embedded <c>Migrations/NNNN_name.sql</c>: append-only, in the order of their numbers, each kept
/// with its hash. <c>NNNN_name.sqlite.sql</c> and <c>NNNN_name.postgres.sql</c> are for one dialect only.
/// Ranges: 0001 storage and audit, 0010 workspaces and collections, 0020 issuers, 0030 federation, 0040 clusters, 0050 runners,
/// 0060 runs, 0070 exchange, 0080 machines, runtime and cache,
/// 0095 pods of attempts, 0120 runs in full.
/// </summary>
internal static class Migrations
{
    private const string Prefix = "Lanyard.Server.Storage.Migrations.";

    /// <summary>Those of this program for a dialect, by number.</summary>
    public static IReadOnlyList<Migration> Of(string dialect)
    {
        var found = new List<Migration>();
        var assembly = typeof(Migrations).Assembly;
        foreach (var resource in assembly.GetManifestResourceNames())
        {
            var parts = resource.StartsWith(Prefix, StringComparison.Ordinal) ? resource[Prefix.Length..].Split('.') : [];
            if (parts.Length is not (2 or 3) || (parts.Length == 3 && parts[1] != dialect))
            {
                continue;
            }

            using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!, Encoding.UTF8);
            found.Add(new Migration(parts[0], reader.ReadToEnd().ReplaceLineEndings("\n")));
        }

        found.Sort(static (a, b) => string.CompareOrdinal(a.Name, b.Name));
        return found;
    }

    /// <summary>Applies what is missing, in the transaction given.</summary>
    public static Task RunAsync(Transaction transaction, string dialect, TimeProvider time) =>
        RunAsync(transaction, Of(dialect), time);

    /// <exception cref="StorageException">An applied migration was changed, or the database is newer than the program.</exception>
    public static async Task RunAsync(Transaction transaction, IReadOnlyList<Migration> migrations, TimeProvider time)
    {
        await transaction.ExecuteAsync(
            $"create table if not exists schema_migrations (name text not null primary key, hash text not null, applied bigint not null)");
        var rows = await transaction.QueryAsync(
            $"select name, hash from schema_migrations", static row => (Name: row.GetString(0), Hash: row.GetString(1)));
        var applied = rows.ToDictionary(static row => row.Name, static row => row.Hash, StringComparer.Ordinal);
        Check(migrations, applied);
        foreach (var migration in migrations)
        {
            if (applied.ContainsKey(migration.Name))
            {
                continue;
            }

            await ApplyAsync(transaction, migration);
            await transaction.ExecuteAsync(
                $"insert into schema_migrations (name, hash, applied) values ({migration.Name}, {migration.Hash}, {time.GetUtcNow()})");
        }
    }

    private static void Check(IReadOnlyList<Migration> migrations, Dictionary<string, string> applied)
    {
        var known = migrations.ToDictionary(static migration => migration.Name, StringComparer.Ordinal);
        foreach (var (name, hash) in applied)
        {
            if (!known.TryGetValue(name, out var migration))
            {
                throw new StorageException($"the database is newer than this program: it has migration {name}, which the program does not know");
            }

            if (migration.Hash != hash)
            {
                throw new StorageException($"migration {name} was changed after it had been applied to this database; migrations are append-only");
            }
        }
    }

    private static async Task ApplyAsync(Transaction transaction, Migration migration)
    {
        foreach (var statement in migration.Statements)
        {
            await transaction.ExecuteAsync($"{new SqlFragment(statement)}");
        }
    }
}

/// <param name="Name"><c>NNNN_name</c>.</param>
internal sealed record Migration(string Name, string Text)
{
    public string Hash { get; } = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Text)));

    /// <summary>The statements between lines that end in a semicolon; comments are whole lines.</summary>
    public IEnumerable<string> Statements
    {
        get
        {
            var statement = new StringBuilder();
            foreach (var line in Text.Split('\n').Where(static line => !line.TrimStart().StartsWith("--", StringComparison.Ordinal)))
            {
                statement.Append(line).Append('\n');
                if (line.TrimEnd().EndsWith(';'))
                {
                    yield return statement.ToString();
                    statement.Clear();
                }
            }

            if (!string.IsNullOrWhiteSpace(statement.ToString()))
            {
                yield return statement.ToString();
            }
        }
    }
}
