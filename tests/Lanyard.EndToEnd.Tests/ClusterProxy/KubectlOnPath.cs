using Lanyard.Testing;
using Lanyard.Testing.Processes;

namespace Lanyard.EndToEnd.Tests.ClusterProxy;

/// <summary>Every kubectl that is installed here, and Debian's 1.20 beside them.</summary>
internal static class KubectlOnPath
{
    public static async Task<IReadOnlyList<string>> AllAsync()
    {
        var old = (await Command.RunAsync(Repo.At("eng", "kubectl-1.20"), [], deadline: TimeSpan.FromMinutes(3))).Succeeded().Trim();
        var found = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
            .Where(static folder => folder.Length > 0).Select(static folder => Path.Combine(folder, "kubectl")).Where(File.Exists)
            .Select(static file => Real(file));
        return [.. found.Append(old).Distinct()];
    }

    private static string Real(string file)
    {
        var folder = new DirectoryInfo(Path.GetDirectoryName(file)!);
        var parent = folder.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? folder.FullName;
        return Path.Combine(parent, "kubectl");
    }
}
