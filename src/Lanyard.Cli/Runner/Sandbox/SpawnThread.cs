using System.Collections.Concurrent;
using System.Diagnostics;

namespace Lanyard.Cli.Runner.Sandbox;

/// <summary>
/// Starts processes from one thread that lives as long as the runner. "Die with the parent" (PR_SET_PDEATHSIG) means the parent
/// <em>thread</em>: a step started from a pool thread would be killed when the pool retires that thread.
/// </summary>
internal sealed class SpawnThread : IDisposable
{
    private readonly BlockingCollection<Action> _work = [];

    public SpawnThread()
    {
        var thread = new Thread(Loop) { IsBackground = true, Name = "spawn" };
        thread.Start();
    }

    /// <exception cref="System.ComponentModel.Win32Exception">The program can't be started.</exception>
    public Task<Process> StartAsync(ProcessStartInfo start)
    {
        var started = new TaskCompletionSource<Process>(TaskCreationOptions.RunContinuationsAsynchronously);
        _work.Add(() =>
        {
            try
            {
                started.SetResult(Process.Start(start) ?? throw new InvalidOperationException("no process was started"));
            }
            catch (Exception exception) when (exception is System.ComponentModel.Win32Exception or InvalidOperationException or IOException)
            {
                started.SetException(exception);
            }
        });
        return started.Task;
    }

    public void Dispose() => _work.CompleteAdding();

    private void Loop()
    {
        foreach (var action in _work.GetConsumingEnumerable())
        {
            action();
        }

        _work.Dispose();
    }
}
