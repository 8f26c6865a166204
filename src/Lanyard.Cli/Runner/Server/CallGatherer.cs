using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Server;

/// <summary>
/// Lets calls about different attempts travel together: while one is on its way, further ones gather, and go in one request when its answer is there. A lone call goes by
/// itself, at once. None waits long, because the one before it may be stuck. Where the server does not take them together, each goes by itself again.
/// </summary>
/// <param name="together">Sends several in one request.</param>
internal sealed class CallGatherer(Func<BatchRequest, Task<Answer<BatchResponse>>> together, TimeProvider time)
{
    internal static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(100);

    /// <summary>After a request that got no answer, or one of an outage: what its calls have done is not known, and each is made again by itself.</summary>
    internal static readonly TimeSpan PauseAfterOutage = TimeSpan.FromSeconds(10);

    /// <summary>After the answer of a server that does not know such requests, or of something before it that does not let them pass.</summary>
    internal static readonly TimeSpan PauseAfterRefusal = TimeSpan.FromMinutes(5);

    private readonly Lock _gate = new();
    private readonly List<GatheredCall> _waiting = [];
    private int _onTheWay;
    private long _pausedAt;
    private TimeSpan _pause;

    /// <exception cref="OperationCanceledException">The caller gave up; the server may have the call.</exception>
    public Task<Answer<T>> AskAsync<T>(GatheredCall<T> call)
        where T : class
    {
        lock (_gate)
        {
            if (!IsPaused && _onTheWay > 0)
            {
                _waiting.Add(call);
                return WaitAsync(call);
            }

            // Also while they go by themselves: what comes when that is over is not ahead of them.
            _onTheWay++;
        }

        return AloneAsync(call);
    }

    /// <summary>To be asked within the lock.</summary>
    private bool IsPaused => time.GetElapsedTime(_pausedAt) < _pause;

    private async Task<Answer<T>> AloneAsync<T>(GatheredCall<T> call)
        where T : class
    {
        try
        {
            return await call.SinglyAsync();
        }
        finally
        {
            Next();
        }
    }

    private async Task<Answer<T>> WaitAsync<T>(GatheredCall<T> call)
        where T : class
    {
        _ = GoAfterAsync(call);
        try
        {
            return await call.Answered.WaitAsync(call.GiveUp);
        }
        catch (OperationCanceledException) when (call.GiveUp.IsCancellationRequested)
        {
            lock (_gate)
            {
                _waiting.Remove(call);
            }

            throw;
        }
    }

    /// <summary>What has gathered goes, if this one is still among it.</summary>
    private async Task GoAfterAsync(GatheredCall call)
    {
        await Task.Delay(LongestWait, time);
        List<GatheredCall> batch;
        lock (_gate)
        {
            if (!_waiting.Contains(call))
            {
                return;
            }

            _onTheWay++;
            batch = Take();
        }

        await SendAsync(batch);
    }

    /// <summary>One has its answer: what has gathered takes its place.</summary>
    private void Next()
    {
        List<GatheredCall> batch;
        lock (_gate)
        {
            if (_waiting.Count == 0)
            {
                _onTheWay--;
                return;
            }

            batch = Take();
        }

        _ = SendAsync(batch);
    }

    private List<GatheredCall> Take()
    {
        var batch = _waiting.Take(Batches.MostCalls).ToList();
        _waiting.RemoveRange(0, batch.Count);
        return batch;
    }

    private async Task SendAsync(List<GatheredCall> batch)
    {
        try
        {
            await (batch.Count == 1 ? batch[0].GoSinglyAsync() : SendTogetherAsync(batch));
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            // Whatever it was: each of them is waited for, and made again.
            batch.ForEach(call => call.Fail(AnswerKind.Retry, null, exception.Message));
        }
        finally
        {
            Next();
        }
    }

    private async Task SendTogetherAsync(List<GatheredCall> batch)
    {
        if (IsPausedNow())
        {
            await GoSinglyAsync(batch);
            return;
        }

        var answer = await together(new BatchRequest([.. batch.Select(static call => call.Make())]));
        if (answer is { Kind: AnswerKind.Ok, Value.Answers: { } answers } && answers.Count == batch.Count)
        {
            await Task.WhenAll(batch.Select((call, i) => call.TakeAsync(answers[i])));
        }
        else if (answer.Kind is AnswerKind.Unauthenticated)
        {
            batch.ForEach(call => call.Fail(answer.Kind, answer.RetryAfter, answer.Detail));
        }
        else if (answer.Kind is AnswerKind.Ok or AnswerKind.Retry)
        {
            Pause(PauseAfterOutage);
            batch.ForEach(call => call.Fail(AnswerKind.Retry, answer.RetryAfter, answer.Detail));
        }
        else
        {
            Pause(PauseAfterRefusal);
            await GoSinglyAsync(batch);
        }
    }

    private static Task GoSinglyAsync(List<GatheredCall> calls) => Task.WhenAll(calls.Select(static call => call.GoSinglyAsync()));

    private bool IsPausedNow()
    {
        lock (_gate)
        {
            return IsPaused;
        }
    }

    private void Pause(TimeSpan pause)
    {
        lock (_gate)
        {
            (_pausedAt, _pause) = (time.GetTimestamp(), pause);
        }
    }
}
