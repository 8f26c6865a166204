using System.Globalization;
using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Http;
using Lanyard.Server.Runners;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Runs;

/// <summary>What every endpoint of the run protocol begins with: who is the runner, and is this its present session.</summary>
internal static class RunnerCalls
{
    public const string SessionHeader = "Lanyard-Session";
    private const int MostHolds = 500;

    /// <returns>The runner's id; NotFound for every principal that is no runner: the protocol does not exist for it.</returns>
    public static Outcome<string> RunnerOf(HttpContext context) => Access.PrincipalOf(context) switch
    {
        null => new Refusal(RefusalReason.TokenMissing, "no bearer token"),
        { Kind: PrincipalKind.Runner, SubjectId: { } id } => id,
        var other => Access.Missing($"{other.Name} is no runner"),
    };

    /// <returns>Who may speak for an attempt: a runner's id, or that of the runner which made the pod that calls; NotFound for everybody else.</returns>
    public static Outcome<string> CallerOf(HttpContext context) =>
        Access.PrincipalOf(context) is { Kind: PrincipalKind.Pod, RunnerId: { } runner } ? runner : RunnerOf(context);

    /// <returns>The runner; StaleAttempt when a newer session has taken its place; AttemptOver when it has none: it must open one.</returns>
    public static async Task<Outcome<ActiveRunner>> PresentAsync(HttpContext context, RunnerDirectory directory, string session)
    {
        if (!RunnerOf(context).TryGet(out var id, out var refusal))
            return refusal;
        if (await directory.FindActiveAsync(id, session, context.RequestAborted) is not { } runner)
            return Access.Missing($"runner {id} is gone");
        if (runner.Session is null)
            return new Refusal(RefusalReason.AttemptOver, $"runner {id} has no session");
        return runner.Session.Session == session ? runner : new Refusal(RefusalReason.StaleAttempt, $"{session} is not the present session of {id}");
    }

    /// <returns>What fences a call about an attempt, from the path and the body's or header's session.</returns>
    public static Outcome<AttemptCall> CallOf(HttpContext context, string run, string attempt, string session)
    {
        if (!CallerOf(context).TryGet(out var id, out var refusal))
            return refusal;
        if (!Ids.TryParse(run, "run", out _) || !int.TryParse(attempt, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number < 1)
            return Access.Missing("no such run or attempt");
        if (Access.PrincipalOf(context) is not { Kind: PrincipalKind.Pod } pod)
            return new AttemptCall(id, session, number);
        return pod.SubjectId == run && pod.Attempt == number
            ? new AttemptCall(id, null, number)
            : Access.Missing($"{pod.Name} asks about attempt {number} of {run}");
    }

    public static List<Mistake> Check(SessionRequest request)
    {
        var mistakes = new List<Mistake>();
        Require(request.Nonce.Length is >= 16 and <= 64 && IsPrintable(request.Nonce), "nonce", "must be 16 to 64 printable ASCII characters");
        Require(request.Version.Length is > 0 and <= 64 && IsPrintable(request.Version), "version", "must be 1 to 64 printable ASCII characters");
        Require(request.Concurrency is >= 1 and <= 500, "concurrency", "must be 1 to 500");
        Require(request.Labels.Count <= 20 && request.Labels.All(CreateRunRules.IsLabel), "labels", "must be at most 20 labels");
        Require(request.Executors.Count is > 0 and <= 5 && request.Executors.All(Slug.IsValid), "executors", "must be 1 to 5 names");
        return mistakes;

        void Require(bool isGood, string path, string text)
        {
            if (!isGood)
                mistakes.Add(new(path, text));
        }
    }

    public static List<Mistake> Check(PollRequest request, TimeSpan longPoll)
    {
        var mistakes = Check(request.Holds);
        if (request.Free is < 0 or > MostHolds)
            mistakes.Add(new("free", $"must be 0 to {MostHolds}"));
        if (request.WaitSeconds < 0 || request.WaitSeconds > longPoll.TotalSeconds)
            mistakes.Add(new("waitSeconds", "must be 0 or more, and no longer than the session says"));
        if (request.NoRoom is { } reason && !(Slug.IsValid(reason) && reason.Length <= 32))
            mistakes.Add(new("noRoom", "must be 1 to 32 of a-z, 0-9 and -"));
        return mistakes;
    }

    /// <summary>What a runner says that it holds goes into a statement: neither its length nor its texts are the runner's to choose.</summary>
    public static List<Mistake> Check(IReadOnlyList<Hold> holds)
    {
        if (holds.Count > MostHolds)
            return [new("holds", $"must be at most {MostHolds}")];
        var mistakes = new List<Mistake>();
        for (var i = 0; i < holds.Count; i++)
        {
            if (holds[i].Run.Length is 0 or > 64 || !IsPrintable(holds[i].Run))
                mistakes.Add(new($"holds[{i}].run", "must be 1 to 64 printable ASCII characters"));
            if (holds[i].Attempt < 1)
                mistakes.Add(new($"holds[{i}].attempt", "must be 1 or more"));
            if (holds[i].State.Length > 64)
                mistakes.Add(new($"holds[{i}].state", "must be at most 64 characters"));
        }
        return mistakes;
    }

    public static List<Mistake> Check(EndRequest request)
    {
        var mistakes = new List<Mistake>();
        if (!RunStates.IsFinal(request.Outcome) && request.Outcome != AttemptOutcomes.RunnerError)
            mistakes.Add(new("outcome", "must be succeeded, failed, canceled, timed_out or runner_error"));
        if (request.Reason is { Length: > 1000 } || request.Reason?.Any(char.IsControl) == true)
            mistakes.Add(new("reason", "must be at most 1000 characters, none of them a control character"));
        if (request.LogBytes < 0)
            mistakes.Add(new("logBytes", "must be 0 or more"));
        if (request.Masked < 0)
            mistakes.Add(new("masked", "must be 0 or more"));
        if (request.LogSha256.Length != 64 || !request.LogSha256.All(c => char.IsAsciiDigit(c) || c is >= 'a' and <= 'f'))
            mistakes.Add(new("logSha256", "must be 64 lower-case hex digits"));
        return mistakes;
    }

    public static bool IsStepState(string state) => state is "running" or "succeeded" or "failed" or "canceled" or "timed_out" or "skipped";

    private static bool IsPrintable(string text) => text.All(c => c is > ' ' and <= '~');
}
