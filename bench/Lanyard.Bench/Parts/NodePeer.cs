using System.Diagnostics;
using System.Globalization;
using Lanyard.Testing;

namespace Lanyard.Bench.Parts;

/// <summary>A script of <c>bench/npm</c> with its packages beside it, as a process that answers a line with a line.</summary>
internal sealed class NodePeer : IDisposable
{
    private readonly Process _process;
    private readonly DirectoryInfo _folder;

    private NodePeer(Process process, DirectoryInfo folder) => (_process, _folder) = (process, folder);

    public int Id => _process.Id;

    /// <summary>With the packages of <c>bench/npm</c>.</summary>
    public static Task<NodePeer> StartAsync(string script, params string[] arguments) => StartAsync(Repo.At("bench", "npm"), script, arguments);

    /// <summary>With the foreign clients of the tests, those of <c>eng/npm</c>.</summary>
    public static Task<NodePeer> StartClientAsync(string script, params string[] arguments) => StartAsync(Repo.At("eng", "npm"), script, arguments);

    private static async Task<NodePeer> StartAsync(string packages, string script, string[] arguments)
    {
        var (node, modules) = await LocateAsync(packages);
        var folder = Directory.CreateTempSubdirectory("lanyard-bench-");
        Directory.CreateSymbolicLink(Path.Combine(folder.FullName, "node_modules"), modules);
        var copy = Path.Combine(folder.FullName, script);
        File.Copy(Repo.At("bench", "npm", script), copy);
        var start = new ProcessStartInfo(node, [copy, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            WorkingDirectory = folder.FullName,
        };
        return new(Process.Start(start)!, folder);
    }

    public async Task<string> AskAsync(string line)
    {
        await _process.StandardInput.WriteLineAsync(line);
        await _process.StandardInput.FlushAsync();
        return await ReadAsync();
    }

    public async Task<double> MeasureAsync(string check) => double.Parse(await AskAsync(check), CultureInfo.InvariantCulture);

    public async Task<string> ReadAsync() => await _process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("the peer ended");

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        _folder.Delete(recursive: true);
    }

    /// <summary>The program, and the folder of the modules.</summary>
    public static async Task<(string Node, string Modules)> LocateAsync(string packages)
    {
        var start = new ProcessStartInfo(Repo.At("eng", "npm", "install"), [packages]) { RedirectStandardOutput = true };
        using var install = Process.Start(start)!;
        var said = await install.StandardOutput.ReadToEndAsync();
        await install.WaitForExitAsync();
        var values = said.Split('\n').Select(static line => line.Split('=', 2)).Where(static pair => pair.Length == 2).ToDictionary(static p => p[0], static p => p[1]);
        return (values["NODE"], values["MODULES"]);
    }
}
