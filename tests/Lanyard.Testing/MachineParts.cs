using System.Collections.Concurrent;
using System.Diagnostics;

namespace Lanyard.Testing;

/// <summary>The programs that tests need beside the .NET SDK: which there are, and whether this machine has them.</summary>
public static class MachineParts
{
    private static readonly ConcurrentDictionary<string, string?> s_absent = new(StringComparer.Ordinal);

    /// <summary>A machine may do without: nothing of ours installs it.</summary>
    public static bool IsOptional(string part) => part is "terraform" or "gcloud" or "root";

    /// <summary>The first of the programs that lies on the PATH, or in a system folder that not every PATH has; null: none does.</summary>
    public static string? Find(params ReadOnlySpan<string> programs)
    {
        foreach (var program in programs)
            foreach (var folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append("/usr/sbin"))
                if (folder.Length > 0 && Path.Combine(folder, program) is var path && File.Exists(path)) return path;
        return null;
    }

    /// <summary>Null where the part is there, or where whoever starts it says so itself (<c>kube</c>, <c>npm</c>, <c>golang</c> …).</summary>
    public static string? WhyAbsent(string part) => s_absent.GetOrAdd(part, static part => part switch
    {
        "bwrap" => Find("bwrap") is not { } bwrap ? "bubblewrap is not installed" : Runs(bwrap, "--ro-bind", "/", "/", "true") ? null : "bubblewrap is installed, and can make no namespace here",
        "haproxy" => Absent("haproxy"),
        "apache" => Absent("apache2"),
        "aws-cli" => Absent("aws"),
        "gcloud" => Absent("gcloud"),
        "zsh" or "fish" => Absent(part),
        "terraform" => Absent("tofu", "terraform"),
        "root" => Environment.IsPrivilegedProcess ? null : "only root can do what this test does",
        "kube" or "postgres" or "npm" or "kubectl-1.20" or "golang" => null,
        _ => $"there is no part {part}: write it into {nameof(MachineParts)}",
    });

    private static string? Absent(params ReadOnlySpan<string> programs) => Find(programs) is null ? $"{string.Join(" or ", programs!)} is not on the PATH" : null;

    private static bool Runs(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
