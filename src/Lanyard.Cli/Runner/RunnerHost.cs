using System.Runtime.InteropServices;
using Lanyard.Cli.Runner.Kubernetes;
using Lanyard.Cli.Runner.Server;
using Lanyard.Identity;
using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner;

/// <summary>
/// Puts a runner together from its settings and runs it: executor (tried before any run is taken), session, loop. The first signal drains it,
/// the second cancels what it holds.
/// </summary>
/// <param name="approval">Waits until this host's key is approved; null where the platform vouches for the runner.</param>
internal sealed class RunnerHost(
    RunnerSettings settings, RunnerCredential credential, HttpClient http, TimeProvider time, ILogger log, Func<CancellationToken, Task>? approval = null)
{
    private readonly Lock _gate = new();
    private Action<int>? _onSignal;
    private int _signals;

    /// <param name="giveUp">Ends the runner where it has no session yet; afterwards it counts as a signal.</param>
    /// <returns>One of <see cref="RunnerExit"/>.</returns>
    public async Task<int> RunAsync(CancellationToken giveUp)
    {
        if (!OpenExecutor().TryGet(out var executor, out var refusal))
        {
            return Fail(refusal);
        }

        await using (executor)
        {
            try
            {
                return await executor.CheckAsync(giveUp) is { } unsafeBecause ? Fail(unsafeBecause) : await RunAsync(executor, giveUp);
            }
            catch (OperationCanceledException) when (giveUp.IsCancellationRequested)
            {
                return RunnerExit.Done; // before there was anything to drain
            }
        }
    }

    /// <summary>Also what a signal of the system does. The first drains, a later one cancels.</summary>
    internal void Signal()
    {
        lock (_gate)
        {
            _onSignal?.Invoke(++_signals);
        }
    }

    private Outcome<Executor> OpenExecutor()
    {
        if (settings.Kubernetes is { } kubernetes)
        {
            return KubernetesExecutor.Open(kubernetes, settings, time, log).TryGet(out var pods, out var noCluster) ? pods : noCluster;
        }

        return ProcessExecutor.Open(settings, http, time).TryGet(out var processes, out var refusal) ? processes : refusal;
    }

    private async Task<int> RunAsync(Executor executor, CancellationToken giveUp)
    {
        var services = new RunnerServices(new ControlPlane(http, credential, time, gathers: settings.Concurrency > 1), time, log);
        var sessions = new RunnerSessions(settings, services.Plane, executor, time, log);
        using var early = CancellationTokenSource.CreateLinkedTokenSource(giveUp);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => OnSignal(context, early));
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => OnSignal(context, early));
        var pool = new AttemptPool(settings, sessions, executor, services);
        try
        {
            await (approval?.Invoke(early.Token) ?? Task.CompletedTask);
            await executor.WaitForTurnAsync(early.Token);
            if (await sessions.OpenAsync(early.Token) is { } refusal)
            {
                return Fail(refusal);
            }

            pool.Adopt(await executor.StartAsync(services, sessions.Present, early.Token));
        }
        catch (OperationCanceledException) when (early.IsCancellationRequested)
        {
            return RunnerExit.Done;
        }

        using var loop = new RunnerLoop(sessions, pool, services);
        using var signal = giveUp.Register(Signal);
        using var over = executor.TurnIsOver.Register(loop.GiveWay);
        ListenFor(loop, early);
        try
        {
            return await loop.RunAsync();
        }
        finally
        {
            _onSignal = null;
        }
    }

    private void ListenFor(RunnerLoop loop, CancellationTokenSource early)
    {
        lock (_gate)
        {
            _onSignal = count => (count == 1 ? (Action)loop.Drain : loop.StopAll)();
            if (early.IsCancellationRequested)
            {
                _onSignal(++_signals); // it came while the session was being opened
            }
        }
    }

    private void OnSignal(PosixSignalContext context, CancellationTokenSource early)
    {
        context.Cancel = true; // not the runtime's own end
        early.Cancel();
        Signal();
    }

    private int Fail(Refusal refusal)
    {
        log.CanNotRun(refusal.Detail);
        return RunnerExit.NotSafe;
    }
}
