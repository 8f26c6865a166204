using System.Collections.Concurrent;
using System.Diagnostics;

namespace Lanyard.Cli.Runner.Sandbox;

/// <summary>
/// Starts processes from one thread that lives as long as the runner. "Die with the parent" (PR_SET_PDEATHSIG) means the parent
/// <em>thread</em>: a step started from a pool thread would be killed when the pool retires that thread.
/// </summary>
/// <param name="adoption">Where the runner adopts what leaves its steps; null: processes that leave their session stay.</param>
internal sealed class SpawnThread(Adoption? adoption = null) : IDisposable
{
    private readonly BlockingCollection<Action> _work = [];

    private Thread? _thread;

    public Adoption? Adoption => adoption;

    /// <exception cref="System.ComponentModel.Win32Exception">The program can't be started.</exception>
    public Task<Process> StartAsync(ProcessStartInfo start)
    {
        var started = new TaskCompletionSource<Process>(TaskCreationOptions.RunContinuationsAsynchronously);
        EnsureThread();
        _work.Add(() =>
        {
            try
            {
                started.SetResult((adoption is null ? Process.Start(start) : adoption.Start(start)) ?? throw new InvalidOperationException("no process was started"));
            }
            catch (Exception exception) when (exception is System.ComponentModel.Win32Exception or InvalidOperationException or IOException)
            {
                started.SetException(exception);
            }
        });
        return started.Task;
    }

    public void Dispose() => _work.CompleteAdding();

    private void EnsureThread()
    {
        var thread = new Thread(Loop) { IsBackground = true, Name = "spawn" };
        if (Interlocked.CompareExchange(ref _thread, thread, null) is null)
            thread.Start();
    }

    private void Loop()
    {
        foreach (var action in _work.GetConsumingEnumerable())
        {
            action();
        }

        _work.Dispose();
    }
}
