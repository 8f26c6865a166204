using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Http;
using Lanyard.Server.Runners;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Runs;

/// <summary>The run protocol's session, poll and heartbeat: what a runner says about itself as a whole.</summary>
internal static class RunnerEndpoints
{
    public static async Task<IResult> SessionAsync(HttpContext context, RunnerSessions sessions, RunsOptions options)
    {
        if (!RunnerCalls.RunnerOf(context).TryGet(out var id, out var refusal))
            return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, RunnerJson.Default.SessionRequest)).TryGet(out var request, out var refused))
            return refused;
        if (RunnerCalls.Check(request) is { Count: > 0 } mistakes)
            return Refused.Malformed(mistakes);
        if (!(await sessions.OpenAsync(id, request, (known, session) => RunAudit.Session(context, known, session), context.RequestAborted)).TryGet(out var runner, out refusal))
            return refusal.Reason == RefusalReason.RequestMalformed ? Refused.Malformed([new Mistake("labels", refusal.Detail)]) : new Refused(refusal);
        return JsonAnswer.Of(
            new SessionResponse(
                runner.Session!.Session, id, runner.Runner.Slug, (int)options.Lease.TotalSeconds, (int)options.LongPoll.TotalSeconds, options.MaxLogChunkBytes,
                [.. runner.Serves.Select(c => c.Name)], runner.IsEphemeral ? true : null),
            RunnerJson.Default.SessionResponse);
    }

    public static async Task<IResult> PollAsync(
        HttpContext context, RunnerDirectory directory, RunnerSessions sessions, RunnerPolls polls, RunsOptions options)
    {
        if (!RunnerCalls.RunnerOf(context).TryGet(out _, out var refusal))
            return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, RunnerJson.Default.PollRequest)).TryGet(out var request, out var refused))
            return refused;
        if (RunnerCalls.Check(request, options.LongPoll) is { Count: > 0 } mistakes)
            return Refused.Malformed(mistakes);
        if (!(await RunnerCalls.PresentAsync(context, directory, request.Session)).TryGet(out var runner, out refusal))
            return new Refused(refusal);
        await sessions.SeenAsync(runner, context.RequestAborted);
        await sessions.RoomAsync(runner, request.NoRoom, context.RequestAborted);
        return JsonAnswer.Of(await polls.PollAsync(runner, request, context.RequestAborted), RunnerJson.Default.PollResponse);
    }

    public static async Task<IResult> HeartbeatAsync(HttpContext context, RunnerDirectory directory, RunnerSessions sessions, HoldAnswering holds)
    {
        if (!RunnerCalls.RunnerOf(context).TryGet(out _, out var refusal))
            return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, RunnerJson.Default.HeartbeatRequest)).TryGet(out var request, out var refused))
            return refused;
        if (RunnerCalls.Check(request.Holds) is { Count: > 0 } mistakes)
            return Refused.Malformed(mistakes);
        if (!(await RunnerCalls.PresentAsync(context, directory, request.Session)).TryGet(out var runner, out refusal))
            return new Refused(refusal);
        await sessions.SeenAsync(runner, context.RequestAborted);
        return JsonAnswer.Of(
            new HeartbeatResponse(await holds.AnswerAsync(runner, request.Holds, context.RequestAborted)), RunnerJson.Default.HeartbeatResponse);
    }
}
