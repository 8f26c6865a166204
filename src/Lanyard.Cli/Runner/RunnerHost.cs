using System.Runtime.InteropServices;
using Lanyard.Cli.Runner.Attempts;
using Lanyard.Cli.Runner.Endpoint;
using Lanyard.Cli.Runner.Sandbox;
using Lanyard.Cli.Runner.Server;
using Lanyard.Identity;
using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner;

/// <summary>
/// Puts a runner together from its settings and runs it: work folder, sandbox (tried before any run is taken), token endpoint, session,
/// loop. The first signal drains it, the second cancels what it holds.
/// </summary>
/// <param name="approval">Waits until this host's key is approved; null where the platform vouches for the runner.</param>
internal sealed class RunnerHost(
    RunnerSettings settings, RunnerCredential credential, HttpClient http, TimeProvider time, ILogger log, Func<CancellationToken, Task>? approval = null)
{
    private static readonly TimeSpan ProbeLimit = TimeSpan.FromSeconds(30);
    private readonly StepLimits _limits = settings.Limits ?? StepLimits.DefaultsFor(settings.WorkFolder);
    private readonly Lock _gate = new();
    private Action<int>? _onSignal;
    private int _signals;

    /// <param name="giveUp">Ends the runner where it has no session yet; afterwards it counts as a signal.</param>
    /// <returns>One of <see cref="RunnerExit"/>.</returns>
    public async Task<int> RunAsync(CancellationToken giveUp)
    {
        var opened = RunnerFolders.Open(settings.WorkFolder, settings.CredentialsProgram ?? BesideThisProgram());
        if (!opened.TryGet(out var folders, out var refusal))
        {
            return Fail(refusal);
        }

        using (folders)
        {
            var mode = settings.Sandbox is SandboxChoice.None || (settings.Sandbox is SandboxChoice.Automatic && !SandboxProbe.IsInstalled)
                ? SandboxMode.None
                : SandboxMode.Bubblewrap;
            using var spawn = new SpawnThread(mode is SandboxMode.None && settings.Adopts ? Adoption.Begin() : null);
            var launcher = new SandboxLauncher(mode, folders, settings.ReadOnly ?? [], _limits, spawn, time);
            try
            {
                return await CheckHostAsync(folders, launcher, giveUp) is { } unsafeBecause
                    ? Fail(unsafeBecause)
                    : await RunAsync(folders, launcher, giveUp);
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

    private static string? BesideThisProgram()
    {
        var path = Path.Combine(AppContext.BaseDirectory, "lanyard-credentials");
        return File.Exists(path) ? path : null;
    }

    private async Task<Refusal?> CheckHostAsync(RunnerFolders folders, SandboxLauncher launcher, CancellationToken giveUp)
    {
        uint? owner = Environment.IsPrivilegedProcess ? settings.FirstUid : null;
        if (owner is not null && folders.FirstClosedParent() is { } closed)
        {
            return new Refusal(RefusalReason.Forbidden, $"steps run under uids of their own, which can't enter {closed}: choose another --work-dir");
        }

        using var limit = new CancellationTokenSource(ProbeLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, giveUp);
        try
        {
            return await SandboxProbe.TryAsync(launcher, folders, owner, either.Token);
        }
        catch (OperationCanceledException) when (!giveUp.IsCancellationRequested)
        {
            return new Refusal(RefusalReason.Unavailable, $"the sandbox did not end within {ProbeLimit.TotalSeconds:0} s");
        }
    }

    private async Task<int> RunAsync(RunnerFolders folders, SandboxLauncher launcher, CancellationToken giveUp)
    {
        await using var endpoint = await TokenEndpoint.StartAsync(time, giveUp);
        var plane = new ControlPlane(http, credential, time);
        var sessions = new RunnerSessions(settings, plane, launcher.Mode, time, log);
        using var early = CancellationTokenSource.CreateLinkedTokenSource(giveUp);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => OnSignal(context, early));
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => OnSignal(context, early));
        try
        {
            await (approval?.Invoke(early.Token) ?? Task.CompletedTask);
            if (await sessions.OpenAsync(early.Token) is { } refusal)
            {
                return Fail(refusal);
            }
        }
        catch (OperationCanceledException) when (early.IsCancellationRequested)
        {
            return RunnerExit.Done;
        }

        var watch = new LimitWatch(_limits, new DiskReserve(folders.Root, _limits.DiskReserveBytes), time);
        var services = new AttemptServices(plane, launcher, watch, endpoint, http, folders, settings.LogLimit, time, log);
        using var loop = new RunnerLoop(sessions, new AttemptPool(settings, sessions, services), services);
        using var signal = giveUp.Register(Signal);
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
