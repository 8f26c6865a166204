using System.Text;
using Lanyard.Identity;

namespace Lanyard.Cli.Runner.Sandbox;

/// <summary>Tries the sandbox before any run is taken: what does not work here would fail every run later.</summary>
internal static class SandboxProbe
{
    private static readonly AttemptKey Key = new("run_probe", 1);

    public static bool IsInstalled => (Environment.GetEnvironmentVariable("PATH") ?? "")
        .Split(':', StringSplitOptions.RemoveEmptyEntries)
        .Concat(["/usr/bin", "/bin"])
        .Any(folder => File.Exists(Path.Combine(folder, "bwrap")));

    public static async Task<Refusal?> TryAsync(SandboxLauncher launcher, RunnerFolders folders, uint? owner, CancellationToken cancellationToken)
    {
        using var folder = new AttemptFolder(folders.Attempts, Key, owner);
        try
        {
            var command = new StepCommand(["/bin/true"], new Dictionary<string, string> { ["PATH"] = SandboxLayout.SearchPath, ["HOME"] = folder.Work }, IsScript: false);
            using var process = await launcher.StartAsync(Key, folder, command);
            using var reader = new StreamReader(process.Output, Encoding.UTF8);
            var said = await reader.ReadToEndAsync(cancellationToken);
            var exit = await process.WaitAsync().WaitAsync(cancellationToken);
            return exit.IsSuccess ? null : new Refusal(RefusalReason.Unavailable, $"the sandbox does not work here: {said.Trim()}");
        }
        catch (Exception exception) when (exception is System.ComponentModel.Win32Exception or IOException)
        {
            return new Refusal(RefusalReason.Unavailable, $"the sandbox can't be started: {exception.Message}");
        }
    }
}
