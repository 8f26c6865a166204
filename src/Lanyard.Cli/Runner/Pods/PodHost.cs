using Lanyard.Cli.Runner.Attempts;
using Lanyard.Cli.Runner.Endpoint;
using Lanyard.Cli.Runner.Server;
using Lanyard.Protocol.Runs;
using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner.Pods;

/// <summary>
/// One attempt, inside its own pod: proves itself by the pod's token, gets the payload, waits for the steps' container, runs the steps there, and holds
/// the attempt itself, so that the runner may come and go. It ends when the server has been told the end, or says that the attempt is over.
/// </summary>
internal sealed class PodHost(PodSettings settings, HttpClient http, RunnerCredential credential, TimeProvider time, ILogger log)
{
    private const int LogChunk = 256 * 1024;
    private const int MostWaitSeconds = 50;
    private static readonly TimeSpan FirstAnswer = TimeSpan.FromMinutes(15);
    private static readonly TimeSpan LastWord = TimeSpan.FromSeconds(10);

    /// <param name="terminate">The pod is told to end.</param>
    /// <returns><see cref="RunnerExit.Done"/> when the attempt was run, however it ended.</returns>
    public async Task<int> RunAsync(CancellationToken terminate)
    {
        var plane = new ControlPlane(http, credential, time);
        using var place = new PodPlace(settings.ControlFolder, settings.WorkFolder, settings.Key, (reason, message) => TellAsync(plane, reason, message));
        if (await AcceptAsync(plane, terminate) is not { } accepted)
        {
            return RunnerExit.RunFailed;
        }

        await using var endpoint = await TokenEndpoint.StartAsync(time, CancellationToken.None);
        await using var cache = new CacheListener(http, time);
        using var clouds = RunnerHttp.CreateForClouds(settings.Authorities);
        var services = new AttemptServices(plane, (_, _) => place, endpoint, cache, http, clouds, LogFileOf, RunnerSettings.DefaultLogLimit, time, log);
        using var attempt = new AttemptExecution(accepted.Payload, services, slot: 0, LogChunk);
        attempt.Lease.Renew(accepted.Sent, TimeSpan.FromSeconds(accepted.Payload.LeaseSeconds));
        using var ending = terminate.Register(() => attempt.Stop(StopReason.PodEnding));
        using var over = new CancellationTokenSource();
        var holding = HoldAsync(plane, attempt, TimeSpan.FromSeconds(accepted.Payload.LeaseSeconds), over.Token);
        var lapsing = LapseAsync(attempt, over.Token);
        await Task.WhenAny(place.Ready, Task.Delay(Timeout.InfiniteTimeSpan, time, attempt.Stopped));
        var outcome = await attempt.RunAsync();
        await over.CancelAsync();
        await Task.WhenAll(holding, lapsing);
        log.PodEnds(settings.Key, outcome ?? "the attempt is over, or another's");
        return RunnerExit.Done;
    }

    private string LogFileOf(AttemptKey key) => Path.Combine(settings.SpoolFolder, key + ".log");

    /// <summary>The runner may not have named this pod yet; one that it never names gets nothing, and gives up.</summary>
    private async Task<(AttemptPayload Payload, long Sent)?> AcceptAsync(ControlPlane plane, CancellationToken terminate)
    {
        var backoff = new Backoff(time, TimeSpan.FromSeconds(2));
        var first = time.GetTimestamp();
        var isTold = false;
        try
        {
            while (time.GetElapsedTime(first) < FirstAnswer)
            {
                var sent = time.GetTimestamp();
                var answer = await plane.AcceptAsync(settings.Key, terminate);
                if (answer is { Kind: AnswerKind.Ok, Value: { } payload })
                {
                    return (payload, sent);
                }

                if (!isTold)
                {
                    log.PodWaits(settings.Key, answer.Detail);
                    isTold = true;
                }

                await backoff.WaitAsync(answer.RetryAfter, terminate);
            }
        }
        catch (OperationCanceledException) when (terminate.IsCancellationRequested)
        {
            // Before it had begun.
        }

        return null;
    }

    private async Task HoldAsync(ControlPlane plane, AttemptExecution attempt, TimeSpan lease, CancellationToken over)
    {
        var wait = Math.Clamp((int)(lease.TotalSeconds / 3), 1, MostWaitSeconds);
        var backoff = new Backoff(time, lease / 12);
        try
        {
            while (true)
            {
                var sent = time.GetTimestamp();
                var answer = await plane.HoldAsync(settings.Key, wait, over);
                if (answer is { Kind: AnswerKind.Ok, Value: { } said })
                {
                    backoff.Reset();
                    Obey(attempt, said, sent);
                    if (said.Answer is HoldAnswers.Abandon)
                    {
                        return;
                    }

                    await Task.Delay(said.Answer is HoldAnswers.Keep ? TimeSpan.Zero : TimeSpan.FromSeconds(1), time, over);
                }
                else if (answer.Kind is AnswerKind.Stale or AnswerKind.Over)
                {
                    attempt.Stop(StopReason.Abandoned);
                    return;
                }
                else
                {
                    log.Unreachable(answer.Detail);
                    await backoff.WaitAsync(answer.RetryAfter, over);
                }
            }
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested)
        {
            // The attempt has ended.
        }
    }

    private static void Obey(AttemptExecution attempt, HoldAnswer answer, long sent)
    {
        if (answer.LeaseSeconds > 0)
        {
            attempt.Lease.Renew(sent, TimeSpan.FromSeconds(answer.LeaseSeconds));
        }

        if (answer.Answer is HoldAnswers.Cancel)
        {
            attempt.Stop(StopReason.Canceled);
        }
        else if (answer.Answer is HoldAnswers.Abandon)
        {
            attempt.Stop(StopReason.Abandoned);
        }
    }

    /// <summary>When the lease is over the server listens no more: nothing is left to be said, and a lost answer to the last word must not keep the pod.</summary>
    private async Task LapseAsync(AttemptExecution attempt, CancellationToken over)
    {
        try
        {
            for (var left = attempt.Lease.Remaining + LastWord; left > TimeSpan.Zero; left = attempt.Lease.Remaining + LastWord)
            {
                await Task.Delay(left, time, over);
            }

            attempt.Stop(StopReason.Abandoned);
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested)
        {
            // The attempt has ended in time.
        }
    }

    private async Task TellAsync(ControlPlane plane, string reason, string message)
    {
        using var limit = new CancellationTokenSource(LastWord, time);
        try
        {
            var now = time.GetUtcNow();
            await plane.AddEventsAsync(settings.Key, [new AttemptEvent($"pod {reason} {now:O}", now, reason, message)], limit.Token);
        }
        catch (OperationCanceledException)
        {
            // The step's own result says it too.
        }
    }
}
