using Lanyard.Cli.Runner.Server;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Attempts;

/// <summary>The first and the last word about an attempt, said until the server has answered: no step runs before the one, and none is alive at the other.</summary>
internal sealed class AttemptBounds(ControlPlane plane, AttemptKey key, TimeProvider time)
{
    private const int MaxReason = 500;
    private volatile bool _hasEnded;

    /// <summary>The server has answered to the last word.</summary>
    public bool HasEnded => _hasEnded;

    /// <summary>One line of bounded length: parts of it come from elsewhere.</summary>
    public static string? Printable(string? reason) =>
        reason is null ? null : string.Concat(reason.Take(MaxReason).Select(static c => char.IsControl(c) ? ' ' : c));

    /// <summary>Says that it starts.</summary>
    /// <returns>The server's answer: final, or the state that the attempt is in.</returns>
    /// <exception cref="OperationCanceledException">It was stopped before it began.</exception>
    public async Task<Answer<AttemptAnswer>> StartAsync(CancellationToken stopped)
    {
        var backoff = new Backoff(time);
        while (true)
        {
            stopped.ThrowIfCancellationRequested();
            var answer = await plane.StartAsync(key, stopped);
            if (answer.Kind is AnswerKind.Ok || answer.IsFinal)
            {
                return answer;
            }

            await backoff.WaitAsync(answer.RetryAfter, stopped);
        }
    }

    /// <summary>Says how it ended.</summary>
    /// <returns>The server's answer: it took it, or never will.</returns>
    public async Task<Answer<AttemptAnswer>> EndAsync(EndRequest request, CancellationToken silenced)
    {
        var backoff = new Backoff(time);
        while (true)
        {
            var answer = await plane.EndAsync(key, request with { Reason = Printable(request.Reason) }, silenced);
            if (answer.Kind is AnswerKind.Ok || answer.IsFinal)
            {
                _hasEnded = true;
                return answer;
            }

            await backoff.WaitAsync(answer.RetryAfter, silenced);
        }
    }
}
