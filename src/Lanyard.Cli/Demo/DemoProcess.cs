using System.Diagnostics;
using System.Threading.Channels;

namespace Lanyard.Cli.Demo;

/// <summary>Another process of this very program; ended when disposed.</summary>
internal sealed class DemoProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly Process _process;
    private readonly Channel<string> _errors = Channel.CreateUnbounded<string>();
    private readonly List<string> _said = [];
    private readonly string _part;

    private DemoProcess(Process process, string part)
    {
        _part = part;
        _process = process;
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is { } text) _errors.Writer.TryWrite(text);
            else _errors.Writer.TryComplete();
        };
        process.BeginErrorReadLine();
    }

    public static DemoProcess Start(params string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, arguments) { RedirectStandardError = true, RedirectStandardOutput = true };
        return new DemoProcess(Process.Start(start)!, arguments[0]);
    }

    /// <summary>What follows <paramref name="mark"/> on the first line of standard error that has it.</summary>
    public async Task<string> WaitForAsync(string mark, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            await foreach (var line in _errors.Reader.ReadAllAsync(limit.Token))
            {
                _said.Add(line);
                var at = line.IndexOf(mark, StringComparison.Ordinal);
                if (at >= 0) return line[(at + mark.Length)..].Trim();
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
        }

        throw new CommandStopped(ExitCode.Unreachable, $"the demo's {_part} did not come up; it said:\n  {string.Join("\n  ", _said.TakeLast(10))}");
    }

    public async Task<string> ReadOutputAsync(CancellationToken cancellationToken)
    {
        var text = await _process.StandardOutput.ReadToEndAsync(cancellationToken).WaitAsync(Patience, cancellationToken);
        return text.Trim();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
