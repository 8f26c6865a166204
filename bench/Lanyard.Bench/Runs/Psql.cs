using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Lanyard.Testing;

namespace Lanyard.Bench.Runs;

/// <summary>PostgreSQL's own programs on a database of the benchmark's server.</summary>
internal sealed partial class Psql(PostgresServer server, string database)
{
    /// <summary>The name in the form that <c>--database</c> takes.</summary>
    public static string NameOf(string location) => location["postgres:///".Length..location.IndexOf('?', StringComparison.Ordinal)];

    public Task ExecuteAsync(string sql) => RunAsync("psql", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql);

    /// <returns>What a query answers, without heads and frames.</returns>
    public Task<string> AskAsync(string sql) => RunAsync("psql", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql);

    /// <summary>The rate of one script by pgbench, prepared, in transactions a second.</summary>
    /// <param name="options">How long, and the script's variables.</param>
    public async Task<double> BenchAsync(string script, int clients, params string[] options)
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, script);
            File.SetUnixFileMode(file, (UnixFileMode)0b110_100_100);
            var said = await RunAsync("pgbench", ["-n", "-M", "prepared", "-c", $"{clients}", "-j", "2", .. options, "-f", file]);
            return double.Parse(Rate().Match(said).Groups[1].Value, CultureInfo.InvariantCulture);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private async Task<string> RunAsync(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(server.Binaries, program), ["-h", server.SocketFolder, "-U", PostgresServer.User, .. arguments, database])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var said = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? said : throw new InvalidOperationException($"{program}: {await errors}");
    }

    [GeneratedRegex(@"tps = ([0-9.]+)")]
    private static partial Regex Rate();
}
