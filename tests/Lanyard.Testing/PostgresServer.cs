using System.Diagnostics;

namespace Lanyard.Testing;

/// <summary>
/// A real PostgreSQL for the tests of this process: its own data folder, reachable by a unix socket in that folder only, durable as in
/// production (fsync on). It ends with the process, also when that is killed: it is told to stop when its standard input closes.
/// </summary>
public sealed class PostgresServer
{
    private static readonly SemaphoreSlim Gate = new(1, 1);
    private static PostgresServer? _shared;
    private static int _databases;

    private readonly Process _process;

    private PostgresServer(string folder, string binaries, Process process)
    {
        SocketFolder = folder;
        Binaries = binaries;
        _process = process;
    }

    public string SocketFolder { get; }

    public string Binaries { get; }

    /// <summary>The process above all of the server's.</summary>
    public int Id => _process.Id;

    /// <summary>The user that owns the server.</summary>
    public static string User => Environment.UserName == "root" ? "postgres" : Environment.UserName;

    /// <summary>The folder with <c>initdb</c> and <c>postgres</c>, or null where none is installed.</summary>
    public static string? FindBinaries() =>
        Directory.Exists("/usr/lib/postgresql")
            ? Directory.GetDirectories("/usr/lib/postgresql").Select(static version => Path.Combine(version, "bin"))
                .Where(static bin => File.Exists(Path.Combine(bin, "initdb"))).Order(StringComparer.Ordinal).LastOrDefault()
            : null;

    /// <summary>The one server of this process, started when first asked for; null where PostgreSQL is not installed.</summary>
    public static async Task<PostgresServer?> SharedAsync()
    {
        if (FindBinaries() is not { } binaries)
        {
            return null;
        }

        await Gate.WaitAsync();
        try
        {
            return _shared ??= await StartAsync(binaries);
        }
        finally
        {
            Gate.Release();
        }
    }

    /// <summary>A new empty database.</summary>
    /// <returns>Its location in the form that <c>--database</c> takes.</returns>
    public async Task<string> CreateDatabaseAsync()
    {
        var name = $"t{Interlocked.Increment(ref _databases)}";
        await RunAsync(Path.Combine(Binaries, "createdb"), "-h", SocketFolder, "-U", User, "-T", "template0", name);
        return $"postgres:///{name}?host={Uri.EscapeDataString(SocketFolder)}&user={User}";
    }

    private static async Task<PostgresServer> StartAsync(string binaries)
    {
        var folder = Directory.CreateTempSubdirectory("lanyard-pg-").FullName;
        var data = Path.Combine(folder, "data");
        if (Environment.UserName == "root")
        {
            await RunAsync("chown", User, folder);
        }

        await RunAsOwnerAsync(Path.Combine(binaries, "initdb"), "-D", data, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-U", User);
        var process = Start(binaries, folder, data);
        await WaitUntilReadyAsync(binaries, folder, process);
        return new PostgresServer(folder, binaries, process);
    }

    private static Process Start(string binaries, string folder, string data)
    {
        var script = $"""
            '{binaries}/postgres' -D '{data}' -k '{folder}' -c listen_addresses='' -c max_connections=300 -c shared_buffers=64MB >'{folder}/log' 2>&1 &
            server=$!
            cat >/dev/null
            kill -INT $server
            wait $server
            rm -rf '{folder}'/*
            """;
        var start = new ProcessStartInfo { RedirectStandardInput = true, UseShellExecute = false };
        AddOwner(start);
        start.ArgumentList.Add("/bin/sh");
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add(script);
        start.FileName = start.ArgumentList[0];
        start.ArgumentList.RemoveAt(0);
        return Process.Start(start)!;
    }

    private static async Task WaitUntilReadyAsync(string binaries, string folder, Process process)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            using var probe = Process.Start(
                new ProcessStartInfo(Path.Combine(binaries, "pg_isready"), ["-q", "-h", folder, "-U", User]))!;
            await probe.WaitForExitAsync(deadline.Token);
            if (probe.ExitCode == 0)
            {
                return;
            }

            if (process.HasExited)
            {
                throw new InvalidOperationException("PostgreSQL did not start: " + await File.ReadAllTextAsync(Path.Combine(folder, "log"), deadline.Token));
            }

            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, deadline.Token);
        }
    }

    private static Task RunAsOwnerAsync(params string[] command)
    {
        var start = new ProcessStartInfo();
        AddOwner(start);
        return RunAsync([.. start.ArgumentList, .. command]);
    }

    /// <summary>PostgreSQL refuses to run as root.</summary>
    private static void AddOwner(ProcessStartInfo start)
    {
        if (Environment.UserName == "root")
        {
            foreach (var word in (string[])["setpriv", "--reuid", User, "--regid", User, "--clear-groups"])
            {
                start.ArgumentList.Add(word);
            }
        }
    }

    private static async Task RunAsync(params string[] command)
    {
        using var process = Process.Start(new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"{command[0]} failed: {error}{await output}");
        }
    }
}
