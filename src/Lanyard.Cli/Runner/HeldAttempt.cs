using Lanyard.Cli.Runner.Attempts;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner;

/// <summary>One attempt that a runner holds, in whatever way it is run.</summary>
internal abstract class HeldAttempt(AttemptKey key, TimeProvider time) : IDisposable
{
    public AttemptKey Key { get; } = key;

    public Lease Lease { get; } = new(time);

    /// <summary>One of <see cref="AttemptStates"/>.</summary>
    public abstract string State { get; }

    /// <summary>The server has been told its end, or has said that it is over or another's: there is nothing left to ask about it, though its place is still being cleared.</summary>
    public abstract bool IsOver { get; }

    /// <summary>What a poll or heartbeat says that the runner holds.</summary>
    public Hold Hold => new(Key.Run, Key.Attempt, State);

    /// <summary>Idempotent, and safe at any time.</summary>
    public abstract void Stop(StopReason reason);

    /// <summary>It may take longer than its payload says.</summary>
    /// <param name="seconds">In all, from its start.</param>
    public virtual void LastFor(int seconds)
    {
    }

    /// <summary>From the acceptance to the end. Answers the outcome that the server was told, or null where this process told none.</summary>
    public abstract Task<string?> RunAsync();

    public abstract void Dispose();
}
