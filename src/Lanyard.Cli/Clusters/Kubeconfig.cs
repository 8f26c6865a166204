using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.Clusters;

/// <summary>A context of a kubeconfig, with its cluster and user.</summary>
internal sealed record KubeContext(string Name, JsonObject Cluster, JsonObject User, string Folder)
{
    public string Server => HttpCall.Text(Cluster["server"]) ?? throw Kubeconfig.Wrong($"the cluster of context {Name} has no server");

    /// <summary>A file named in a kubeconfig is found from the kubeconfig's own folder.</summary>
    public string Resolve(string file) => Path.GetFullPath(file, Folder);
}

/// <summary>
/// Reads kubeconfig files as kubectl does: <c>--kubeconfig</c>, else the files of <c>KUBECONFIG</c>, else <c>~/.kube/config</c>; in several
/// files the first that has a name wins.
/// </summary>
internal static class Kubeconfig
{
    public static KubeContext Load(string? path, string? contextName, CliConsole console)
    {
        var files = Files(path, console).Where(File.Exists).Select(file => (Folder: Path.GetDirectoryName(Path.GetFullPath(file))!, Root: Read(file))).ToList();
        if (files.Count == 0)
        {
            throw Wrong("there is no kubeconfig; give --kubeconfig FILE");
        }

        var name = contextName ?? files.Select(file => HttpCall.Text(file.Root["current-context"])).FirstOrDefault(text => !string.IsNullOrEmpty(text))
            ?? throw Wrong("the kubeconfig has no current-context; give --context NAME");
        var (_, context) = Entry(files, "contexts", "context", name);
        var (clusterFolder, cluster) = Entry(files, "clusters", "cluster", HttpCall.Text(context["cluster"]) ?? throw Wrong($"context {name} names no cluster"));
        var user = HttpCall.Text(context["user"]) is { Length: > 0 } userName ? Entry(files, "users", "user", userName) : (clusterFolder, []);
        return user.Folder == clusterFolder
            ? new KubeContext(name, cluster, user.Value, clusterFolder)
            : throw Wrong($"cluster and user of context {name} are in different folders; use: kubectl config view --flatten");
    }

    public static CommandStopped Wrong(string text) => new(ExitCode.Usage, $"kubeconfig: {text}.");

    private static string[] Files(string? path, CliConsole console)
    {
        if (path is not null)
        {
            return File.Exists(path) ? [path] : throw Wrong($"{path} does not exist");
        }

        if (console.Variable("KUBECONFIG") is { } list)
        {
            return list.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        }

        return console.Variable("HOME") is { } home ? [Path.Combine(home, ".kube", "config")] : [];
    }

    private static JsonObject Read(string file)
    {
        try
        {
            var (documents, mistakes) = YamlReader.Read(File.ReadAllText(file));
            return mistakes.Count > 0 ? throw Wrong($"{file}: {mistakes[0]}")
                : documents.Count == 1 && documents[0].Root is JsonObject root ? root : throw Wrong($"{file} is not one mapping");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Wrong(exception.Message);
        }
    }

    private static (string Folder, JsonObject Value) Entry(List<(string Folder, JsonObject Root)> files, string list, string member, string name)
    {
        foreach (var (folder, root) in files)
        {
            foreach (var entry in (root[list] as JsonArray ?? []).OfType<JsonObject>())
            {
                if (HttpCall.Text(entry["name"]) == name)
                {
                    return (folder, entry[member] as JsonObject ?? []);
                }
            }
        }

        throw Wrong($"there is no {member} {name} in it");
    }
}
