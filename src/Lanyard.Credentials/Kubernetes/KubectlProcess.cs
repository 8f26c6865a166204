using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Lanyard.Credentials.Kubernetes;

/// <summary>kubectl as a child on this terminal: it gets our input, outputs and signals, and its exit code becomes ours.</summary>
internal static partial class KubectlProcess
{
    /// <param name="input">Its standard input; null: ours.</param>
    /// <returns>kubectl's exit code, 128 + n after signal n; null when the program can't be started.</returns>
    public static async Task<int?> RunAsync(string program, IEnumerable<string> arguments, string kubeconfig, string? input = null) =>
        (await StartAsync(program, arguments, kubeconfig, input, reads: false)).Code;

    /// <summary>As <see cref="RunAsync"/>, and what it wrote to its standard output.</summary>
    public static Task<(int? Code, string Output)> ReadAsync(string program, IEnumerable<string> arguments, string kubeconfig) =>
        StartAsync(program, arguments, kubeconfig, input: null, reads: true);

    private static async Task<(int? Code, string Output)> StartAsync(string program, IEnumerable<string> arguments, string kubeconfig, string? input, bool reads)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = input is not null, RedirectStandardOutput = reads };
        start.Environment["KUBECONFIG"] = kubeconfig;
        Process? child = null;

        // Registered before the start: from here on, a signal ends kubectl first, and then us, after the kubeconfig is gone.
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Forward(context, child, 15));
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Forward(context, child, 2));
        try
        {
            using var started = Process.Start(start)!;
            child = started;
            var output = reads ? started.StandardOutput.ReadToEndAsync() : Task.FromResult("");
            if (input is not null) await WriteAsync(started, input);
            await started.WaitForExitAsync();
            return (started.ExitCode, await output);
        }
        catch (Win32Exception)
        {
            return (null, "");
        }
    }

    private static async Task WriteAsync(Process process, string input)
    {
        try
        {
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended before it had read everything, and its exit code says why.
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
