using System.Globalization;
using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Runs;

/// <summary>
/// Several calls of a runner at once: those of different runs side by side, so that their writes share commits, those of one run one after another. What
/// happens to one, a failure too, is that one's alone.
/// </summary>
internal sealed class BatchAnswering(AttemptAnswering answering, AttemptCalls attempts, ILogger<BatchAnswering> logger)
{
    /// <summary>In the order of the calls.</summary>
    public async Task<BatchedAnswer[]> AnswerAsync(HttpContext context, IReadOnlyList<BatchedCall> calls)
    {
        var answers = new BatchedAnswer[calls.Count];
        await attempts.ReadAheadAsync([.. calls.Where(call => call.Kind == BatchedKinds.Accept).Select(call => call.Run).Distinct(StringComparer.Ordinal)], context.RequestAborted);

        await Task.WhenAll(Enumerable.Range(0, calls.Count).GroupBy(i => calls[i].Run, StringComparer.Ordinal).Select(OneRunAsync));
        return answers;

        async Task OneRunAsync(IEnumerable<int> run)
        {
            foreach (var i in run)
                answers[i] = await AnswerAsync(context, calls[i]);
        }
    }

    private async Task<BatchedAnswer> AnswerAsync(HttpContext context, BatchedCall call)
    {
        try
        {
            return call.Kind switch
            {
                BatchedKinds.Accept => await AcceptAsync(context, call),
                BatchedKinds.Start => await StartAsync(context, call),
                BatchedKinds.End => await EndAsync(context, call),
                _ => await RefusedAsync(context, call, Refused.Malformed([new Mistake("kind", "must be accept, start or end")])),
            };
        }
        catch (Exception exception) when (!context.RequestAborted.IsCancellationRequested && exception is not OutOfMemoryException)
        {
            logger.Failed(exception, HttpMethods.Post, PathOf(call), context.TraceIdentifier);
            return HttpFeature.IsOutage(exception)
                ? await RefusedAsync(context, call, new Refused(new Refusal(RefusalReason.Unavailable, exception.GetType().Name)))
                : Told(HttpFeature.InternalProblem(context));
        }
    }

    private async Task<BatchedAnswer> AcceptAsync(HttpContext context, BatchedCall call)
    {
        if (!StrictJson.Take(call.Body, RunnerJson.Default.AcceptRequest).TryGet(out var request, out var refused))
            return await RefusedAsync(context, call, refused);
        if (RunnerCalls.CallOf(context, call.Run, NumberOf(call), request.Session).TryGet(out var known, out _)
            && await attempts.IsLargeAsync(call.Run, known, context.RequestAborted))
            return Told(new Problem("urn:lanyard:problem:ask-singly", "The answer is too large for a batch.", Batches.AskSingly, context.TraceIdentifier));
        return (await answering.AcceptAsync(context, call.Run, NumberOf(call), request)).TryGet(out var payload, out var refusal)
            ? new BatchedAnswer(StatusCodes.Status200OK, payload)
            : await RefusedAsync(context, call, new Refused(refusal));
    }

    private async Task<BatchedAnswer> StartAsync(HttpContext context, BatchedCall call)
    {
        if (!StrictJson.Take(call.Body, RunnerJson.Default.StartRequest).TryGet(out var request, out var refused))
            return await RefusedAsync(context, call, refused);
        return await ToldAsync(context, call, await answering.StartAsync(context, call.Run, NumberOf(call), request));
    }

    private async Task<BatchedAnswer> EndAsync(HttpContext context, BatchedCall call)
    {
        if (!StrictJson.Take(call.Body, RunnerJson.Default.EndRequest).TryGet(out var request, out var refused))
            return await RefusedAsync(context, call, refused);
        if (RunnerCalls.Check(request) is { Count: > 0 } mistakes)
            return await RefusedAsync(context, call, Refused.Malformed(mistakes));
        return await ToldAsync(context, call, await answering.EndAsync(context, call.Run, NumberOf(call), request));
    }

    private static async Task<BatchedAnswer> ToldAsync(HttpContext context, BatchedCall call, Outcome<AttemptAnswer> outcome) =>
        outcome.TryGet(out var answer, out var refusal)
            ? new BatchedAnswer(StatusCodes.Status200OK, Answer: answer)
            : await RefusedAsync(context, call, new Refused(refusal));

    private static async Task<BatchedAnswer> RefusedAsync(HttpContext context, BatchedCall call, Refused refused) =>
        Told(await refused.TellProblemAsync(context, HttpMethods.Post, PathOf(call)));

    private static BatchedAnswer Told(Problem problem) =>
        new(problem.Status, Problem: problem, RetryAfterSeconds: RefusalText.RetryAfterOf(problem.Status));

    /// <summary>Of the single call.</summary>
    private static string PathOf(BatchedCall call) => $"/v1/runner/attempts/{call.Run}/{NumberOf(call)}/{call.Kind}";

    private static string NumberOf(BatchedCall call) => call.Attempt.ToString(CultureInfo.InvariantCulture);
}
