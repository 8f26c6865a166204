using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Lanyard.Credentials.Kubernetes;

/// <summary>kubectl as a child on this terminal: it gets our input, outputs and signals, and its exit code becomes ours.</summary>
internal static partial class KubectlProcess
{
    /// <returns>kubectl's exit code, 128 + n after signal n; null when the program can't be started.</returns>
    public static async Task<int?> RunAsync(string program, IEnumerable<string> arguments, string kubeconfig)
    {
        var start = new ProcessStartInfo(program, arguments);
        start.Environment["KUBECONFIG"] = kubeconfig;
        Process? child = null;

        // Registered before the start: from here on, a signal ends kubectl first, and then us, after the kubeconfig is gone.
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Forward(context, child, 15));
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Forward(context, child, 2));
        try
        {
            using var started = Process.Start(start)!;
            child = started;
            await started.WaitForExitAsync();
            return started.ExitCode;
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    private static void Forward(PosixSignalContext context, Process? child, int signal)
    {
        context.Cancel = true;
        if (child is { HasExited: false })
        {
            _ = SendSignal(child.Id, signal);
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int process, int signal);
}
