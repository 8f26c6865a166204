using Lanyard.Cli.Runner.Server;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;
using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner;

/// <summary>What everything of a runner needs: its way to the server, the time, the log.</summary>
internal sealed record RunnerServices(ControlPlane Plane, TimeProvider Time, ILogger Log);

/// <summary>Something that a run would need and the host has not.</summary>
/// <param name="Code">One of <see cref="NoRoomReasons"/>: what the server, and whoever waits, is told.</param>
/// <param name="Text">For the runner's own log.</param>
internal sealed record Shortage(string Code, string Text);

/// <summary>The way in which a runner runs attempts: as processes of this host, or as pods of a cluster.</summary>
internal abstract class Executor : IAsyncDisposable
{
    /// <summary>As definitions name it.</summary>
    public abstract string Name { get; }

    /// <summary>Each attempt has walls of its own.</summary>
    public abstract bool IsSandboxed { get; }

    /// <summary>Attempts go on when the runner goes: its end must not be theirs.</summary>
    public abstract bool OutlivesRunner { get; }

    /// <summary>Tries it before any run is taken: what does not work here would fail every run later.</summary>
    public abstract Task<Refusal?> CheckAsync(CancellationToken cancellationToken);

    /// <summary>Why no further run could begin now, whatever slots are free; null: one could.</summary>
    public virtual Shortage? NoRoom => null;

    /// <summary>Returns when it is this process's turn to speak for the runner.</summary>
    public virtual Task WaitForTurnAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>It is another process's turn.</summary>
    public virtual CancellationToken TurnIsOver => CancellationToken.None;

    /// <summary>To be called when the session is open. Answers what an earlier process of this runner has left running.</summary>
    public abstract Task<IReadOnlyList<HeldAttempt>> StartAsync(RunnerServices services, SessionResponse session, CancellationToken cancellationToken);

    public abstract HeldAttempt Create(AttemptPayload payload, int slot, SessionResponse session);

    public abstract ValueTask DisposeAsync();
}
