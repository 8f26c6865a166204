using System.Net;
using System.Net.Sockets;
using Lanyard.Testing;
using Lanyard.Testing.Kube;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Docs;

/// <summary>
/// A newcomer's desk: a folder with <c>./lanyard</c> in it, <c>./run</c> up in another terminal, kubectl with an admin's kubeconfig, node. The ports that the pages name
/// are replaced by free ones; nothing else of their lines is.
/// </summary>
public sealed class Newcomer : IAsyncLifetime
{
    private readonly DirectoryInfo _folder = Directory.CreateDirectory($"/var/tmp/lanyard-reader-{Guid.NewGuid():N}");
    private readonly Dictionary<string, string> _ports = new() { ["127.0.0.1:7700"] = $"127.0.0.1:{FreePort.Take()}", ["127.0.0.1:8443"] = $"127.0.0.1:{FreePort.Take()}" };
    private ChildProcess? _demo;
    private string _path = "";

    public KubeCluster Cluster { get; } = new();

    public async ValueTask InitializeAsync()
    {
        await Cluster.InitializeAsync();
        File.CreateSymbolicLink(Path.Combine(_folder.FullName, "lanyard"), Repo.Lanyard);
        var (node, modules) = await NodeScript.LocateAsync();
        Directory.CreateDirectory(Path.Combine(_folder.FullName, "node_modules", "@actions"));
        Directory.CreateSymbolicLink(Path.Combine(_folder.FullName, "node_modules", "@actions", "cache"), Path.Combine(modules, "actions-cache-5"));
        var kubectl = (await Command.RunAsync("sh", ["-c", "readlink -f \"$(command -v kubectl)\""])).Succeeded().Trim();
        var tools = Directory.CreateDirectory(Path.Combine(_folder.FullName, "tools")).FullName;
        File.Copy(kubectl, Path.Combine(tools, "kubectl"));
        foreach (var (name, path) in Tofu()) File.Copy(path, Path.Combine(tools, name));
        _path = $"{tools}:{Path.GetDirectoryName(node)}:{Environment.GetEnvironmentVariable("PATH")}";

        // Steps see /usr alone; where this machine's kubectl lies elsewhere, it is put there for this demo and for nobody else.
        _demo = ChildProcess.Start(
            "unshare", ["--mount", "sh", "-c", "mount --bind tools /usr/local/bin && exec ./lanyard demo --listen \"$0\"", _ports["127.0.0.1:7700"]], folder: _folder.FullName);
        await _demo.WaitForLineAsync("The server stays up", TimeSpan.FromSeconds(120));
    }

    /// <summary>The tools of docs/infrastructure-as-code.md that this machine has.</summary>
    private static IEnumerable<(string Name, string Path)> Tofu() =>
        new[] { "tofu", "terraform" }.Select(static name => (Name: name, Path: MachineParts.Find(name))).Where(static tool => tool.Path is not null).Select(static tool => (tool.Name, tool.Path!));

    /// <summary>Types the lines at this desk, see <see cref="Walk.TypeAsync"/>.</summary>
    internal Task<string> TypeAsync(string script, IReadOnlyDictionary<string, string?>? environment = null)
    {
        foreach (var (named, free) in _ports) script = script.Replace(named, free, StringComparison.Ordinal);
        var all = new Dictionary<string, string?>(environment ?? new Dictionary<string, string?>()) { ["PATH"] = _path, ["KUBECONFIG"] = Cluster.KubeconfigPath };
        return Walk.TypeAsync(script, _folder.FullName, all, () => _demo!.Errors);
    }

    /// <summary>What a page says is printed, with the ports of this walk.</summary>
    internal string Here(string said) => _ports.Aggregate(said, static (text, pair) => text.Replace(pair.Value, pair.Key, StringComparison.Ordinal));

    public async ValueTask DisposeAsync()
    {
        if (_demo is not null)
        {
            // The demo is asked, so that its server and runner end with it.
            _demo.Signal(15);
            await _demo.WaitForExitAsync();
            await _demo.DisposeAsync();
        }

        await Cluster.DisposeAsync();
        _folder.Delete(recursive: true);
    }
}
