using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Runners;

namespace Lanyard.Server.Runs;

/// <summary>
/// A long poll: ① answers what is held ② makes offers again whose answer may have been lost ③ waits for work or a word, but not where any answer is news to the runner: then
/// there is only a look for work ④ answers what is held once more when that took long, so that no lease ends behind a waiting poll.
/// </summary>
internal sealed class RunnerPolls(HoldAnswering holds, ClaimStore claims, Dispatch dispatch, RunRules rules, TimeProvider time)
{
    public async Task<PollResponse> PollAsync(ActiveRunner runner, PollRequest request, CancellationToken cancellationToken)
    {
        // ① It stands in line already: a cancel between this answer and the waiting is not missed.
        var limit = runner.Concurrency is { } most ? Math.Max(0, most - request.Holds.Count) : int.MaxValue;
        var free = Math.Min(request.Free, limit);
        using var poll = dispatch.Enter(runner, free);
        var answers = await holds.AnswerAtOnceAsync(runner, request.Holds, cancellationToken);

        // ②
        var standing = await claims.StandingAsync(runner.Runner.Id, runner.Session!.Session, request.Holds, rules.Now, cancellationToken);
        standing.RemoveAll(offer => !runner.Serves.Any(collection => collection.Id == offer.Collection)); // it was taken out of the collection since
        if (runner.State == RunnerStates.Draining && (request.Free > 0 || request.Holds.Count == 0)) // also one that could take nothing: it has nothing to wait for
            return new([], answers, Drain: true);
        if (standing.Count > 0 && free > 0)
            return new(OffersOf(runner, standing.Take(free)), answers);

        // ③ One attempt that takes its time to end must not keep work from the places beside it.
        var began = time.GetTimestamp();
        var wait = request.Holds.Zip(answers, IsNews).Any(static isNews => isNews) ? TimeSpan.Zero : Jittered(request.WaitSeconds);
        var polled = await dispatch.PollAsync(poll, wait, cancellationToken);

        // ④
        if (request.Holds.Count > 0 && (polled.IsNudged || time.GetElapsedTime(began) > TimeSpan.FromSeconds(1)))
            answers = await holds.AnswerAsync(runner, request.Holds, cancellationToken);
        return new(OffersOf(runner, polled.Offers), answers);
    }

    private static bool IsNews(Hold hold, HoldAnswer answer) => answer.Answer switch
    {
        HoldAnswers.Keep => false,
        HoldAnswers.Cancel => hold.State != AttemptStates.Canceling,
        _ => true,
    };

    private static Offer[] OffersOf(ActiveRunner runner, IEnumerable<OfferedRun> offers) =>
        [.. offers.Select(offer => OfferOf(offer, runner.Collections.First(collection => collection.Id == offer.Collection).Name))];

    private static Offer OfferOf(OfferedRun offered, string path)
    {
        var at = path.IndexOf('/', StringComparison.Ordinal);
        return new(offered.Run, offered.Attempt, path[..at], path[(at + 1)..], DateTimeOffset.FromUnixTimeMilliseconds(offered.Deadline));
    }

    /// <summary>All polls that began together, after a restart, must not end together.</summary>
    private static TimeSpan Jittered(int seconds) => TimeSpan.FromSeconds(seconds * (0.9 + (0.1 * Random.Shared.NextDouble())));
}
