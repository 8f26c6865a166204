using Lanyard.Identity;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Runners;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Runs;

/// <summary>What accept, start and end of an attempt are answered, by themselves (<see cref="AttemptEndpoints"/>) as in a batch (<see cref="BatchAnswering"/>).</summary>
internal sealed class AttemptAnswering(AttemptCalls calls, RunnerDirectory runners, RunAudit audit, ILogger<AttemptCalls> logger)
{
    public async Task<Outcome<AttemptPayload>> AcceptAsync(HttpContext context, string run, string attempt, AcceptRequest request)
    {
        if (!RunnerCalls.CallOf(context, run, attempt, request.Session).TryGet(out var call, out var refusal))
            return refusal;
        var runner = call.Session is null ? null : await runners.FindActiveAsync(call.Runner, call.Session, context.RequestAborted);
        if (!(await calls.AcceptAsync(run, call, row => NotServed(row, runner), change => RunAudit.Changed(context, "attempt.accept", change), context.RequestAborted)).TryGet(out var change, out refusal))
            return await ToldAsync(context, audit, logger, "attempt.accept", run, call, refusal);
        if (!change.IsNone)
        {
            logger.Accepted(run, call.Attempt, call.Runner);
        }
        else if (call.Session is null)
        {
            logger.GivenToPod(run, call.Attempt, call.Runner);
            await audit.GivenAsync(context, change);
        }

        return await calls.PayloadAsync(change.After, context.RequestAborted);
    }

    /// <summary>An offer stands for a while, and its runner may have been taken out of the collection since: what it has not accepted yet it gets no more.</summary>
    private static Refusal? NotServed(RunRecord run, ActiveRunner? runner) =>
        runner is null || run.AttemptState != AttemptStates.Offered || runner.Serves.Any(collection => collection.Id == run.Collection)
            ? null
            : new Refusal(RefusalReason.StaleAttempt, $"{runner.Runner.Id} no longer serves {run.Collection}");

    public async Task<Outcome<AttemptAnswer>> StartAsync(HttpContext context, string run, string attempt, StartRequest request)
    {
        if (!RunnerCalls.CallOf(context, run, attempt, request.Session).TryGet(out var call, out var refusal))
            return refusal;
        if (!(await calls.StartAsync(run, call, context.RequestAborted)).TryGet(out var change, out refusal))
            return await ToldAsync(context, audit, logger, "attempt.start", run, call, refusal);
        return new AttemptAnswer(change.After.AttemptState);
    }

    /// <param name="request">Checked.</param>
    public async Task<Outcome<AttemptAnswer>> EndAsync(HttpContext context, string run, string attempt, EndRequest request)
    {
        if (!RunnerCalls.CallOf(context, run, attempt, request.Session).TryGet(out var call, out var refusal))
            return refusal;
        if (!(await calls.EndAsync(run, call, request, change => RunAudit.Changed(context, "attempt.end", change), context.RequestAborted)).TryGet(out var change, out refusal))
            return await ToldAsync(context, audit, logger, "attempt.end", run, call, refusal);
        if (!change.IsNone)
            logger.Ended(run, call.Attempt, request.Outcome, change.After.LogComplete);
        return new AttemptAnswer(change.After.AttemptState);
    }

    /// <summary>The refusal, once log and audit have it.</summary>
    public static async Task<Refusal> ToldAsync(
        HttpContext context, RunAudit audit, ILogger logger, string action, string run, AttemptCall call, Refusal refusal)
    {
        logger.CallRefused(call.Runner, run, call.Attempt, refusal.Detail);
        if (refusal.Reason is RefusalReason.StaleAttempt or RefusalReason.AttemptOver)
            await audit.RefusedAsync(context, action, run, call.Attempt, refusal);
        return refusal;
    }
}
