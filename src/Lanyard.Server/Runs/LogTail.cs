using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Runs;

/// <summary>How far a run's log is: the run as it was read last, and the length of its present attempt's log.</summary>
internal sealed record TailState(RunRecord Run, long Length);

/// <summary>
/// One look-out for all who follow a run's log on this replica, however many: it reads the row and the file's length when there is news, and once a second
/// in case another replica wrote. Nothing is kept of a run that nobody follows.
/// </summary>
internal sealed class LogTails(RunLogs logs, LogSignals signals, RunStore store, TimeProvider time, ILogger<LogTails> log)
{
    /// <summary>Followers of this replica together.</summary>
    public const int Most = 10_000;

    /// <summary>Of them those of one workspace: who takes all that it can leaves the others theirs.</summary>
    public const int MostOfOne = Most / 4;

    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);
    private readonly ConcurrentDictionary<string, Tail> _tails = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _byWorkspace = new(StringComparer.Ordinal);
    private int _followers;

    public int Followers => Volatile.Read(ref _followers);

    /// <summary>Null where too many follow already, in all or in the run's workspace.</summary>
    public IDisposable? Follow(RunRecord run, out Tail tail)
    {
        tail = null!;
        if (!TryEnter(run.Workspace))
            return null;
        try
        {
            tail = Join(run);
        }
        catch
        {
            Leave(run.Workspace);
            throw;
        }
        if (tail.TryBegin())
            _ = WatchAsync(tail);
        return new Leaving(this, tail);
    }

    private Tail Join(RunRecord run)
    {
        while (true)
        {
            var tail = _tails.GetOrAdd(run.Id, static (_, parts) => new Tail(parts.Run, parts.Tails.LengthOf(parts.Run)), (Run: run, Tails: this));
            if (tail.TryJoin())
                return tail;
            _tails.TryRemove(new(run.Id, tail));
        }
    }

    private bool TryEnter(string workspace)
    {
        lock (_byWorkspace)
        {
            var there = _byWorkspace.GetValueOrDefault(workspace);
            if (_followers == Most || there == MostOfOne)
                return false;
            _byWorkspace[workspace] = there + 1;
            Volatile.Write(ref _followers, _followers + 1);
            return true;
        }
    }

    private void Leave(string workspace)
    {
        lock (_byWorkspace)
        {
            if (--_byWorkspace[workspace] == 0)
                _byWorkspace.Remove(workspace);
            Volatile.Write(ref _followers, _followers - 1);
        }
    }

    private long LengthOf(RunRecord run) => run.Attempt == 0 ? 0 : logs.Length(run.Id, run.Attempt);

    /// <summary>What nobody has thought of ends this look-out and those who follow by it; they come again, and whoever comes next has a new one.</summary>
    private async Task WatchAsync(Tail tail)
    {
        var run = tail.State.Run.Id;
        try
        {
            await LookAsync(tail);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            log.TailBroke(e, run);
            tail.Break();
            _tails.TryRemove(new(run, tail));
        }
    }

    private async Task LookAsync(Tail tail)
    {
        var run = tail.State.Run;
        while (!tail.IsLeft)
        {
            var next = signals.Next(run.Id, run.Attempt);
            try
            {
                run = await store.FindAsync(run.Id, CancellationToken.None) ?? run;
                tail.Tell(new TailState(run, LengthOf(run)));
                if (run.IsFinal)
                    return;
                await next.WaitAsync(Look, time);
            }
            catch (TimeoutException)
            {
                // Looks again.
            }
            catch (Exception e) when (e is System.Data.Common.DbException or ObjectDisposedException)
            {
                await Task.Delay(Look, time); // the database is away: followers wait
            }
        }
    }

    private sealed class Leaving(LogTails tails, Tail tail) : IDisposable
    {
        public void Dispose()
        {
            tails.Leave(tail.State.Run.Workspace);
            if (tail.Leave())
                tails._tails.TryRemove(new(tail.State.Run.Id, tail));
        }
    }
}

/// <summary>What the followers of one run wait for.</summary>
internal sealed class Tail(RunRecord run, long length)
{
    private readonly Lock _lock = new();
    private TaskCompletionSource _changed = New();
    private int _followers;
    private bool _isLeft;
    private bool _isBroken;
    private bool _hasBegun;

    public TailState State { get; private set; } = new(run, length);

    /// <summary>Nobody looks any more, though the run goes on.</summary>
    public bool IsBroken
    {
        get
        {
            lock (_lock)
                return _isBroken;
        }
    }

    public bool IsLeft
    {
        get
        {
            lock (_lock)
                return _isLeft;
        }
    }

    /// <summary>The present state, and what completes with the next one.</summary>
    public (TailState State, Task Next) Now
    {
        get
        {
            lock (_lock)
                return (State, _changed.Task);
        }
    }

    /// <summary>False when the last follower has left, or the look-out broke: it is no longer watched.</summary>
    public bool TryJoin()
    {
        lock (_lock)
        {
            if (_isLeft || _isBroken)
                return false;
            _followers++;
            return true;
        }
    }

    /// <summary>True once.</summary>
    public bool TryBegin()
    {
        lock (_lock)
        {
            var isNew = !_hasBegun;
            _hasBegun = true;
            return isNew;
        }
    }

    /// <returns>Whether that was the last.</returns>
    public bool Leave()
    {
        lock (_lock)
            return _isLeft = --_followers == 0;
    }

    public void Tell(TailState state)
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            if (state == State)
                return;
            State = state;
            changed = _changed;
            _changed = New();
        }
        changed.TrySetResult();
    }

    public void Break()
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            _isBroken = true;
            changed = _changed;
        }
        changed.TrySetResult();
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
