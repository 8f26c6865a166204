using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Server;

/// <summary>A call about an attempt that may travel with others.</summary>
/// <param name="make">As it stands among others; made when it goes, because it names the session.</param>
internal abstract class GatheredCall(Func<BatchedCall> make)
{
    public BatchedCall Make() => make();

    /// <summary>Sends it by itself.</summary>
    public abstract Task GoSinglyAsync();

    /// <summary>Its part of the answer.</summary>
    public abstract Task TakeAsync(BatchedAnswer? answer);

    public abstract void Fail(AnswerKind kind, TimeSpan? retryAfter, string? detail);
}

/// <param name="singly">By itself, as ever.</param>
/// <param name="read">What an answer to it holds; null: not what it should.</param>
internal sealed class GatheredCall<T>(Func<BatchedCall> make, Func<CancellationToken, Task<Answer<T>>> singly, Func<BatchedAnswer, T?> read, CancellationToken giveUp)
    : GatheredCall(make)
    where T : class
{
    private readonly TaskCompletionSource<Answer<T>> _answered = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<Answer<T>> Answered => _answered.Task;

    /// <summary>The caller waits no longer.</summary>
    public CancellationToken GiveUp => giveUp;

    public Task<Answer<T>> SinglyAsync() => singly(giveUp);

    public override async Task GoSinglyAsync()
    {
        try
        {
            _answered.TrySetResult(await singly(giveUp));
        }
        catch (OperationCanceledException) when (giveUp.IsCancellationRequested)
        {
            _answered.TrySetCanceled(giveUp);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            _answered.TrySetException(exception);
        }
    }

    public override async Task TakeAsync(BatchedAnswer? answer)
    {
        if (answer is { Status: Batches.AskSingly })
        {
            await GoSinglyAsync();
            return;
        }

        var kind = answer is null ? AnswerKind.Retry : ControlPlane.KindOf((System.Net.HttpStatusCode)answer.Status);
        var value = kind is AnswerKind.Ok ? read(answer!) : null;
        _answered.TrySetResult(new Answer<T>(
            kind is AnswerKind.Ok && value is null ? AnswerKind.Retry : kind,
            value,
            answer?.RetryAfterSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
            $"status {answer?.Status} among others"));
    }

    public override void Fail(AnswerKind kind, TimeSpan? retryAfter, string? detail) => _answered.TrySetResult(new Answer<T>(kind, RetryAfter: retryAfter, Detail: detail));
}
