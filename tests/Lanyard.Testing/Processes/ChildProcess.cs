using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Lanyard.Testing.Processes;

/// <summary>
/// A real process of a test, leader of a process group of its own: whatever it starts ends with it. Both outputs are kept; every wait has a
/// deadline (30 s unless told) and ends with a message that shows what the process had said.
/// </summary>
public sealed partial class ChildProcess : IAsyncDisposable
{
    private static readonly TimeSpan DefaultDeadline = TimeSpan.FromSeconds(120);
    private readonly Process _process;
    private readonly ProcessOutput _output = new();
    private readonly ProcessOutput _errors = new();
    private readonly string _name;

    private ChildProcess(Process process, string name)
    {
        _process = process;
        _name = name;
    }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>Standard output so far.</summary>
    public string Output => _output.Text;

    /// <summary>Standard error so far.</summary>
    public string Errors => _errors.Text;

    /// <summary>Starts a program. A variable whose value is null is taken out of the environment.</summary>
    public static ChildProcess Start(
        string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null, string? folder = null, string? input = null)
    {
        // setsid(1) becomes the program itself, so the id of the process is the id of its group.
        var start = new ProcessStartInfo("setsid", [program, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder ?? Repo.Root,
        };
        foreach (var (name, value) in environment ?? new Dictionary<string, string?>())
        {
            start.Environment[name] = value;
        }

        var child = new ChildProcess(new Process { StartInfo = start }, Path.GetFileName(program));
        child._process.OutputDataReceived += (_, line) => child._output.Add(line.Data);
        child._process.ErrorDataReceived += (_, line) => child._errors.Add(line.Data);
        child._process.Start();
        child._process.BeginOutputReadLine();
        child._process.BeginErrorReadLine();
        child.GiveInput(input);
        return child;
    }

    /// <summary>The first line of standard output, past or to come, that satisfies the condition.</summary>
    public Task<string> WaitForLineAsync(Func<string, bool> condition, TimeSpan? deadline = null) => WaitAsync(_output, condition, deadline);

    /// <summary>The first line of standard output, past or to come, that contains the words.</summary>
    public Task<string> WaitForLineAsync(string words, TimeSpan? deadline = null) => WaitAsync(_output, Contains(words), deadline);

    /// <summary>The same for standard error.</summary>
    public Task<string> WaitForErrorLineAsync(string words, TimeSpan? deadline = null) => WaitAsync(_errors, Contains(words), deadline);

    /// <summary>Waits for the end of the process and of both its outputs.</summary>
    /// <returns>The exit code; 128 + n when signal n ended it.</returns>
    public async Task<int> WaitForExitAsync(TimeSpan? deadline = null)
    {
        using var limit = new CancellationTokenSource(deadline ?? DefaultDeadline);
        try
        {
            await _process.WaitForExitAsync(limit.Token);
            return _process.ExitCode;
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"{_name} did not end in time.{Said()}");
        }
    }

    /// <summary>Sends a signal to the process alone (2 = interrupt, 9 = kill, 15 = terminate, 19 = stop, 18 = continue).</summary>
    public void Signal(int signal)
    {
        if (!_process.HasExited)
        {
            _ = SendSignal(_process.Id, signal);
        }
    }

    /// <summary>
    /// SIGKILL to the process and everything in its group, the fate that a power cut would bring. Of a process that has ended, what it left in its group; but no number is given to
    /// a process while a group has it, so where there is one by that number again, the group is a stranger's.
    /// </summary>
    public void Kill()
    {
        if (!_process.HasExited || !Directory.Exists($"/proc/{_process.Id}"))
        {
            _ = SendSignal(-_process.Id, 9);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Kill();
        await WaitForExitAsync();
        _process.Dispose();
    }

    private static Func<string, bool> Contains(string words) => line => line.Contains(words, StringComparison.Ordinal);

    private void GiveInput(string? input)
    {
        try
        {
            _process.StandardInput.Write(input);
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended, or closed its input, without reading: its own business, and its exit code tells.
        }
    }

    private async Task<string> WaitAsync(ProcessOutput output, Func<string, bool> condition, TimeSpan? deadline)
    {
        try
        {
            return await output.WaitForLineAsync(condition).WaitAsync(deadline ?? DefaultDeadline)
                ?? throw new InvalidOperationException($"{_name} ended without the awaited line.{Said()}");
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"{_name} did not say the awaited line in time.{Said()}");
        }
    }

    private string Said() => $"\nstandard output:\n{Output}\nstandard error:\n{Errors}";

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int process, int signal);
}
