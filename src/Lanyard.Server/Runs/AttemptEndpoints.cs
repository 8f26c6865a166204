using System.Globalization;
using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Runs;

/// <summary>The run protocol's calls about one attempt. A stale one is 409, one that is over 410; what was never the runner's is 404.</summary>
internal static class AttemptEndpoints
{
    public static async Task<IResult> AcceptAsync(string run, string attempt, HttpContext context, AttemptAnswering answering)
    {
        if (!RunnerCalls.CallerOf(context).TryGet(out _, out var refusal))
            return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, RunnerJson.Default.AcceptRequest)).TryGet(out var request, out var refused))
            return refused;
        return (await answering.AcceptAsync(context, run, attempt, request)).TryGet(out var payload, out refusal)
            ? JsonAnswer.Of(payload, RunnerJson.Default.AttemptPayload)
            : new Refused(refusal);
    }

    public static async Task<IResult> StartAsync(string run, string attempt, HttpContext context, AttemptAnswering answering)
    {
        if (!RunnerCalls.CallerOf(context).TryGet(out _, out var refusal))
            return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, RunnerJson.Default.StartRequest)).TryGet(out var request, out var refused))
            return refused;
        return (await answering.StartAsync(context, run, attempt, request)).TryGet(out var answer, out refusal)
            ? JsonAnswer.Of(answer, RunnerJson.Default.AttemptAnswer)
            : new Refused(refusal);
    }

    public static async Task<IResult> StepAsync(
        string run, string attempt, string step, HttpContext context, AttemptCalls calls, RunAudit audit, ILogger<AttemptCalls> logger)
    {
        if (!RunnerCalls.CallerOf(context).TryGet(out _, out var refusal))
            return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, RunnerJson.Default.StepReport)).TryGet(out var report, out var refused))
            return refused;
        if (!RunnerCalls.IsStepState(report.State))
            return Refused.Malformed([new Mistake("state", "must be running, succeeded, failed, canceled, timed_out or skipped")]);
        if (!RunnerCalls.CallOf(context, run, attempt, report.Session).TryGet(out var call, out refusal))
            return new Refused(refusal);
        if (!int.TryParse(step, NumberStyles.None, CultureInfo.InvariantCulture, out var index))
            return new Refused(new Refusal(RefusalReason.RequestMalformed, "the step is no number"));
        return (await calls.StepAsync(run, call, index, report, context.RequestAborted)).TryGet(out var state, out refusal)
            ? Answer(state)
            : await RefusedAsync(context, audit, logger, "attempt.step", run, call, refusal);
    }

    public static async Task<IResult> LogAsync(
        string run, string attempt, HttpContext context, AttemptCalls calls, RunsOptions options, RunAudit audit, ILogger<AttemptCalls> logger)
    {
        if (!RunnerCalls.CallOf(context, run, attempt, context.Request.Headers[RunnerCalls.SessionHeader].ToString()).TryGet(out var call, out var refusal))
            return new Refused(refusal);
        if (!long.TryParse(context.Request.Query["offset"], NumberStyles.None, CultureInfo.InvariantCulture, out var offset) || offset > options.MaxLogBytes)
            return new Refused(new Refusal(RefusalReason.RequestMalformed, "offset is no number, or behind the longest log"));
        using var chunk = new PooledBody(options.MaxLogChunkBytes);
        if (!await chunk.ReadAsync(context))
            return new Refused(new Refusal(RefusalReason.RequestTooLarge, $"a chunk has at most {options.MaxLogChunkBytes} bytes"));
        if (!(await calls.LogAsync(run, call, offset, chunk.Bytes, context.RequestAborted)).TryGet(out var appended, out refusal))
            return await RefusedAsync(context, audit, logger, "attempt.log", run, call, refusal);
        return Results.Json(new LogAppended(appended.NextOffset), RunnerJson.Default.LogAppended, statusCode: appended.IsGap ? 416 : 200);
    }

    public static async Task<IResult> EndAsync(string run, string attempt, HttpContext context, AttemptAnswering answering)
    {
        if (!RunnerCalls.CallerOf(context).TryGet(out _, out var refusal))
            return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, RunnerJson.Default.EndRequest)).TryGet(out var request, out var refused))
            return refused;
        if (RunnerCalls.Check(request) is { Count: > 0 } mistakes)
            return Refused.Malformed(mistakes);
        return (await answering.EndAsync(context, run, attempt, request)).TryGet(out var answer, out refusal)
            ? JsonAnswer.Of(answer, RunnerJson.Default.AttemptAnswer)
            : new Refused(refusal);
    }

    internal static IResult Answer(string state) => JsonAnswer.Of(new AttemptAnswer(state), RunnerJson.Default.AttemptAnswer);

    /// <summary>Refusals of authorisation are recorded by the edge already.</summary>
    internal static async Task<IResult> RefusedAsync(
        HttpContext context, RunAudit audit, ILogger logger, string action, string run, AttemptCall call, Refusal refusal) =>
        new Refused(await AttemptAnswering.ToldAsync(context, audit, logger, action, run, call, refusal));
}
