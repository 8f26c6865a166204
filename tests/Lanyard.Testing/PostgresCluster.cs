using System.Diagnostics;

namespace Lanyard.Testing;

/// <summary>
/// A PostgreSQL of one test that can be killed, started again, stopped for a while, and followed by a standby that takes its place: clients know one address (a folder
/// of sockets, reached by a link), as they would know a cloud's failover address. With a standby each commit is on both disks before it is acknowledged.
/// </summary>
public sealed class PostgresCluster : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    private readonly string _binaries;
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-pgc-").FullName;
    private string _active = "one";

    private PostgresCluster(string binaries) => _binaries = binaries;

    /// <summary>For <c>--database</c>.</summary>
    public string Location => $"postgres:///runs?host={Uri.EscapeDataString(Address)}&user={PostgresServer.User}";

    private string Address => Path.Combine(_folder, "address");

    /// <summary>Null where PostgreSQL is not installed.</summary>
    public static async Task<PostgresCluster?> StartAsync()
    {
        if (PostgresServer.FindBinaries() is not { } binaries) return null;
        var cluster = new PostgresCluster(binaries);
        await cluster.AsOwnerAsync("true"); // so that what is missing is told first
        if (Environment.UserName == "root") await RunAsync("chown", PostgresServer.User, cluster._folder);
        File.SetUnixFileMode(cluster._folder, (UnixFileMode)0b111_101_101);
        await cluster.AsOwnerAsync(cluster.Program("initdb"), "-D", cluster.DataOf("one"), "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-U", PostgresServer.User);
        await cluster.StartServerAsync("one");
        await cluster.PointToAsync("one");
        await cluster.AsOwnerAsync(cluster.Program("createdb"), "-h", cluster.Address, "-U", PostgresServer.User, "runs");
        return cluster;
    }

    /// <summary>SIGKILL to every process of the server, as a power cut would.</summary>
    public async Task KillAsync()
    {
        var main = MainOf(_active);
        foreach (var process in (int[])[main, .. ChildrenOf(main)]) await SignalAsync(process, "KILL");
        await Eventually.HoldsAsync(() => Task.FromResult(!Directory.Exists($"/proc/{main}")), "PostgreSQL is dead");
    }

    public Task StartAgainAsync() => StartServerAsync(_active);

    /// <summary>SIGSTOP to every process: connections stay, and nothing answers.</summary>
    public Task FreezeAsync() => SignalAllAsync("STOP");

    public Task ThawAsync() => SignalAllAsync("CONT");

    /// <summary>A second server that has everything of the first before a commit is acknowledged.</summary>
    public async Task AddStandbyAsync()
    {
        await AsOwnerAsync(Program("pg_basebackup"), "-h", Address, "-U", PostgresServer.User, "-D", DataOf("two"), "-X", "stream", "-R", "--no-sync");
        await StartServerAsync("two");
        await SqlAsync("alter system set synchronous_standby_names = '*'");
        await SqlAsync("select pg_reload_conf()");
        await Eventually.HoldsAsync(async () => (await SqlAsync("select count(*) from pg_stat_replication where sync_state = 'sync'")).Trim() == "1", "the standby follows");
    }

    /// <summary>The first is killed; the standby becomes the server, and the address leads to it.</summary>
    public async Task FailOverAsync()
    {
        await KillAsync();
        await AsOwnerAsync(Program("pg_ctl"), "promote", "-D", DataOf("two"), "-w", "-t", "60");
        _active = "two";
        await PointToAsync("two");
        await SqlAsync("alter system set synchronous_standby_names = ''");
        await SqlAsync("select pg_reload_conf()");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var name in (string[])["one", "two"])
        {
            if (!File.Exists(PidFileOf(name))) continue;
            var main = MainOf(name);
            foreach (var process in (int[])[main, .. ChildrenOf(main)])
            {
                if (Directory.Exists($"/proc/{process}")) await SignalAsync(process, "KILL");
            }

            await Eventually.HoldsAsync(() => Task.FromResult(!Directory.Exists($"/proc/{main}")), "PostgreSQL is dead");
        }

        Directory.Delete(_folder, recursive: true);
    }

    private string Program(string name) => Path.Combine(_binaries, name);

    private string DataOf(string name) => Path.Combine(_folder, name);

    private string SocketsOf(string name) => Path.Combine(_folder, name + "-sockets");

    private string PidFileOf(string name) => Path.Combine(DataOf(name), "postmaster.pid");

    private int MainOf(string name) => int.Parse(File.ReadLines(PidFileOf(name)).First(), System.Globalization.CultureInfo.InvariantCulture);

    private async Task PointToAsync(string name)
    {
        var next = Address + ".next";
        File.CreateSymbolicLink(next, SocketsOf(name));
        await RunAsync("mv", "-T", next, Address); // .NET moves no link to a folder over another
    }

    private async Task StartServerAsync(string name)
    {
        if (!Directory.Exists(SocketsOf(name)))
        {
            await AsOwnerAsync("mkdir", SocketsOf(name));
        }

        // A killed server's memory is taken over once its last process is gone.
        await Eventually.HoldsAsync(
            async () =>
            {
                try
                {
                    await AsOwnerAsync(
                        Program("pg_ctl"), "start", "-w", "-t", "60", "-D", DataOf(name), "-l", Path.Combine(DataOf(name), "log.txt"),
                        "-o", $"-k {SocketsOf(name)} -c listen_addresses='' -c max_connections=200 -c shared_buffers=32MB -c wal_level=replica");
                    return true;
                }
                catch (InvalidOperationException)
                {
                    return false;
                }
            },
            "PostgreSQL starts",
            Limit);
    }

    private async Task<string> SqlAsync(string sql) => await AsOwnerAsync(Program("psql"), "-h", Address, "-U", PostgresServer.User, "-d", "postgres", "-At", "-c", sql);

    private async Task SignalAllAsync(string signal)
    {
        var main = MainOf(_active);
        foreach (var process in (int[])[main, .. ChildrenOf(main)]) await SignalAsync(process, signal);
    }

    private static List<int> ChildrenOf(int process) => !Directory.Exists($"/proc/{process}")
        ? []
        : [.. File.ReadAllText($"/proc/{process}/task/{process}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(static child => int.Parse(child, System.Globalization.CultureInfo.InvariantCulture))];

    /// <summary>A process that has ended in between hears nothing.</summary>
    private static async Task SignalAsync(int process, string signal)
    {
        using var kill = Process.Start(new ProcessStartInfo("kill", [$"-{signal}", $"{process}"]) { RedirectStandardError = true })!;
        await kill.WaitForExitAsync();
    }

    private Task<string> AsOwnerAsync(params string[] command) => Environment.UserName == "root"
        ? RunAsync(["setpriv", "--reuid", PostgresServer.User, "--regid", PostgresServer.User, "--clear-groups", .. command])
        : RunAsync(command);

    private static async Task<string> RunAsync(params string[] command)
    {
        // Servers that pg_ctl leaves behind would hold a pipe open: files take the outputs.
        var output = Path.GetTempFileName();
        try
        {
            using var process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "out=$1; shift; exec \"$@\" >\"$out\" 2>&1 </dev/null", "sh", output, .. command]) { WorkingDirectory = "/" })!;
            await process.WaitForExitAsync();
            var said = await File.ReadAllTextAsync(output);
            return process.ExitCode == 0 ? said : throw new InvalidOperationException($"{string.Join(' ', command)}: {said}");
        }
        finally
        {
            File.Delete(output);
        }
    }
}
