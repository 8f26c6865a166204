using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Runs;

/// <summary>The run protocol's calls about attempts in pods: which pod it is (the runner's), what happened to it, and the pod's own hold.</summary>
internal static class PodEndpoints
{
    private const int MaxEvents = 50;
    private const int MaxName = 253;
    private const int MostWaitSeconds = 50;

    public static async Task<IResult> PodAsync(
        string run, string attempt, HttpContext context, PodCalls pods, RunAudit audit, ILogger<AttemptCalls> logger)
    {
        if (!RunnerCalls.RunnerOf(context).TryGet(out _, out var refusal))
            return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, RunnerJson.Default.PodReport)).TryGet(out var report, out var refused))
            return refused;
        if (Check(report) is { Count: > 0 } mistakes)
            return Refused.Malformed(mistakes);
        if (!RunnerCalls.CallOf(context, run, attempt, report.Session).TryGet(out var call, out refusal))
            return new Refused(refusal);
        if (!(await pods.NameAsync(run, call, report, RunAudit.Pod(context, run, call.Attempt, report), context.RequestAborted)).TryGet(out var state, out refusal))
            return await AttemptEndpoints.RefusedAsync(context, audit, logger, "attempt.pod", run, call, refusal);
        logger.PodBound(run, call.Attempt, report.Namespace, report.Name, report.Uid);
        return AttemptEndpoints.Answer(state);
    }

    public static async Task<IResult> EventsAsync(
        string run, string attempt, HttpContext context, PodCalls pods, RunAudit audit, ILogger<AttemptCalls> logger)
    {
        if (!RunnerCalls.CallerOf(context).TryGet(out _, out var refusal))
            return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, RunnerJson.Default.EventsReport)).TryGet(out var report, out var refused))
            return refused;
        if (Check(report) is { Count: > 0 } mistakes)
            return Refused.Malformed(mistakes);
        if (!RunnerCalls.CallOf(context, run, attempt, report.Session).TryGet(out var call, out refusal))
            return new Refused(refusal);
        return (await pods.AddEventsAsync(run, call, report, context.RequestAborted)).TryGet(out var state, out refusal)
            ? AttemptEndpoints.Answer(state)
            : await AttemptEndpoints.RefusedAsync(context, audit, logger, "attempt.events", run, call, refusal);
    }

    public static async Task<IResult> HoldAsync(string run, string attempt, HttpContext context, PodCalls pods)
    {
        if (Access.PrincipalOf(context) is not { Kind: PrincipalKind.Pod })
            return new Refused(RunnerCalls.RunnerOf(context) is { IsRefused: true } stranger ? stranger.Refusal : Access.Missing("a runner holds by its heartbeat"));
        if (!(await StrictJson.ReadAsync(context.Request, RunnerJson.Default.HoldRequest)).TryGet(out var request, out var refused))
            return refused;
        if (request.WaitSeconds is < 0 or > MostWaitSeconds)
            return Refused.Malformed([new Mistake("waitSeconds", $"must be 0 to {MostWaitSeconds}")]);
        if (!RunnerCalls.CallOf(context, run, attempt, "").TryGet(out var call, out var refusal))
            return new Refused(refusal);
        return Results.Json(
            await pods.HoldAsync(run, call, TimeSpan.FromSeconds(request.WaitSeconds), context.RequestAborted), RunnerJson.Default.HoldAnswer);
    }

    private static List<Mistake> Check(PodReport report)
    {
        var mistakes = new List<Mistake>();
        foreach (var (text, name) in ((string, string)[])[
            (report.Namespace, "namespace"), (report.Name, "name"), (report.Uid, "uid"), (report.ServiceAccount, "serviceAccount")])
        {
            if (text.Length is < 1 or > MaxName || !text.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '.'))
                mistakes.Add(new Mistake(name, $"must be 1 to {MaxName} of a-z, 0-9, - and ."));
        }

        return mistakes;
    }

    private static List<Mistake> Check(EventsReport report)
    {
        var mistakes = new List<Mistake>();
        if (report.Events.Count is < 1 or > MaxEvents)
            mistakes.Add(new Mistake("events", $"must be 1 to {MaxEvents}"));
        for (var i = 0; i < report.Events.Count && mistakes.Count == 0; i++)
        {
            var one = report.Events[i];
            if (one.Key.Length is < 1 or > 200 || !one.Key.All(static c => c is >= ' ' and <= '~'))
                mistakes.Add(new Mistake($"events[{i}].key", "must be 1 to 200 printable ASCII characters"));
            if (one.Reason.Length is < 1 or > 64 || !one.Reason.All(char.IsAsciiLetterOrDigit))
                mistakes.Add(new Mistake($"events[{i}].reason", "must be 1 to 64 letters and digits"));
            if (one.Message.Length > 1000 || one.Message.Any(char.IsControl))
                mistakes.Add(new Mistake($"events[{i}].message", "must be at most 1000 characters, none of them a control character"));
        }

        return mistakes;
    }
}
