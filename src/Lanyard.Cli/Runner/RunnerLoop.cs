using Lanyard.Cli.Runner.Attempts;
using Lanyard.Cli.Runner.Server;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner;

/// <summary>
/// The runner's life after its session is open: one long poll for all its collections, one heartbeat for all its attempts. Each carries
/// what the runner holds, and the server's answer for each attempt is obeyed; that alone puts lost answers, restarts and ghosts right.
/// </summary>
internal sealed class RunnerLoop(RunnerSessions sessions, AttemptPool pool, RunnerServices services) : IDisposable
{
    private static readonly TimeSpan NoProgressAfter = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan LastWait = TimeSpan.FromSeconds(10);

    /// <summary>Nobody tells the runner that its host has room again: it looks before each poll, in seconds.</summary>
    private const int LongestWithoutRoom = 10;

    private readonly CancellationTokenSource _ended = new();
    private readonly TimeProvider _time = services.Time;
    private Action _pollAgain = static () => { };
    private long _progress = services.Time.GetTimestamp();
    private int _asked = int.MaxValue;
    private int? _exit;

    /// <summary>Runs until it is drained, or must end. Answers one of <see cref="RunnerExit"/>.</summary>
    public async Task<int> RunAsync()
    {
        pool.SlotFreed = PollAgainWhereNothingCouldBeLost;
        var heartbeat = UntilEnded(HeartbeatAsync);
        var watchdog = UntilEnded(WatchProgressAsync);
        await UntilEnded(PollAsync);
        await _ended.CancelAsync();
        await Task.WhenAll(heartbeat, watchdog);
        var ended = pool.EmptyAsync();
        await (_exit is RunnerExit.NoProgress ? Task.WhenAny(ended, Task.Delay(LastWait, _time)) : ended); // what is stuck must not keep the process
        return _exit ?? pool.ExitCode;
    }

    /// <summary>No new work; the loop ends when what is held has ended, or has been let go because it goes on without this process.</summary>
    public void Drain()
    {
        services.Log.Draining(pool.Count);
        pool.Close();
        pool.ReleaseAll();
        PollAgain();
    }

    /// <summary>Another process of this runner has its turn: lets go of everything and ends.</summary>
    public void GiveWay()
    {
        _exit = RunnerExit.TakenOver;
        Drain();
    }

    /// <summary>Cancels what is held, and drains.</summary>
    public void StopAll()
    {
        services.Log.Stopping(pool.Count);
        pool.Close();
        pool.StopAll(StopReason.RunnerStopped);
        PollAgain();
    }

    public void Dispose() => _ended.Dispose();

    private async Task UntilEnded(Func<CancellationToken, Task> loop)
    {
        try
        {
            await loop(_ended.Token);
        }
        catch (OperationCanceledException) when (_ended.IsCancellationRequested)
        {
            // The other loop has decided.
        }
    }

    private void PollAgain() => Volatile.Read(ref _pollAgain)();

    private async Task PollAsync(CancellationToken cancellationToken)
    {
        var backoff = new Backoff(_time);
        var pace = new PollPace();
        while (!pool.IsDrained)
        {
            Volatile.Write(ref _progress, _time.GetTimestamp());
            var sent = _time.GetTimestamp();
            var answer = await PollOnceAsync(cancellationToken);
            if (answer is not { } known)
            {
                continue; // what the poll said had become untrue; a new one says better
            }

            if (known.Kind is AnswerKind.Ok)
            {
                backoff.Reset();
                pool.Obey(known.Value!.Answers, sent);
                pool.Accept(known.Value.Offers, _ended.Token);
                if (known.Value.Drain is true && !pool.IsClosed)
                {
                    services.Log.DrainedByServer(pool.Count);
                    pool.Close();
                }

                await Task.Delay(pace.After(known.Value.Offers.Count > 0, _time.GetElapsedTime(sent)), _time, cancellationToken);
            }
            else if (!await RecoverAsync(known.Kind, known.Detail, cancellationToken))
            {
                return;
            }
            else
            {
                services.Log.Unreachable(known.Detail);
                await backoff.WaitAsync(known.RetryAfter, cancellationToken);
            }
        }
    }

    /// <summary>Null where the poll was broken off: with no free slot it carried nothing that could be lost.</summary>
    private async Task<Answer<PollResponse>?> PollOnceAsync(CancellationToken cancellationToken)
    {
        var again = new CancellationTokenSource(); // without a timer there is nothing to dispose, and a late call must not fail
        Volatile.Write(ref _pollAgain, again.Cancel);
        var (free, noRoom) = pool.Room();
        Volatile.Write(ref _asked, free);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, again.Token);
        try
        {
            var longest = noRoom is null ? sessions.Present.PollSeconds : Math.Min(sessions.Present.PollSeconds, LongestWithoutRoom);
            var wait = (int)(longest * (0.8 + (0.2 * Jitter.Fraction())));
            return await services.Plane.PollAsync(new PollRequest(services.Plane.Session, free, wait, pool.Holds(), noRoom), either.Token);
        }
        catch (OperationCanceledException) when (again.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>False where the loop must end.</summary>
    private async Task<bool> RecoverAsync(AnswerKind kind, string? detail, CancellationToken cancellationToken)
    {
        if (kind is AnswerKind.Stale)
        {
            services.Log.SessionFenced();
            pool.StopAll(StopReason.Abandoned);
            _exit = RunnerExit.TakenOver;
            return false;
        }

        if (kind is AnswerKind.Over)
        {
            services.Log.SessionOver(detail);
            if (await sessions.OpenAsync(cancellationToken) is { } unsafeBecause)
            {
                services.Log.CanNotRun(unsafeBecause.Detail);
                pool.StopAll(StopReason.RunnerStopped);
                _exit = RunnerExit.NotSafe;
                return false;
            }
        }

        return true;
    }

    private async Task HeartbeatAsync(CancellationToken cancellationToken)
    {
        var pause = TimeSpan.Zero;
        while (true)
        {
            var third = TimeSpan.FromSeconds(sessions.Present.LeaseSeconds / 3.0);
            await Task.Delay(pause > TimeSpan.Zero ? pause : third * (0.7 + (0.3 * Jitter.Fraction())), _time, cancellationToken);
            pause = TimeSpan.Zero;
            var holds = pool.Holds();
            if (holds.Count == 0)
            {
                continue;
            }

            var sent = _time.GetTimestamp();
            var answer = await services.Plane.HeartbeatAsync(new HeartbeatRequest(services.Plane.Session, holds), third, cancellationToken);
            if (answer.Kind is AnswerKind.Ok)
            {
                pool.Obey(answer.Value!.Answers, sent);
            }
            else
            {
                pause = third / 4 * (0.1 + Jitter.Fraction()); // several tries fit into what is left of the lease
            }
        }
    }

    private async Task WatchProgressAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await Task.Delay(NoProgressAfter / 5, _time, cancellationToken);
            var stuck = _time.GetElapsedTime(Volatile.Read(ref _progress));
            if (stuck > NoProgressAfter)
            {
                services.Log.NoProgress(stuck.TotalSeconds);
                pool.StopAll(StopReason.Abandoned);
                _exit = RunnerExit.NoProgress;
                await _ended.CancelAsync();
            }
        }
    }

    /// <summary>A poll without free slots can't bring work: it is broken off for one that can. Another is left to its end.</summary>
    private void PollAgainWhereNothingCouldBeLost()
    {
        if (Volatile.Read(ref _asked) == 0 || pool.Free is 0 or 1)
        {
            PollAgain();
        }
    }
}
