using System.Text.Json;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Runners;

namespace Lanyard.Server.Runs;

/// <summary>Turns rows into what the API shows.</summary>
internal sealed class RunViews(RunStore store, RunQueries queries, RunnerDirectory runners, PodStore pods)
{
    public static RunView OfListed(ListedRun listed, string workspace, string collection)
    {
        var run = listed.Run;
        return new(
            run.Id, workspace, collection, listed.Definition, run.Phase, listed.Priority, run.State, run.Attempt, run.Reason,
            Time(run.CreatedAt)!.Value, Time(run.CancelRequestedAt), Time(run.FinishedAt),
            WaitingFor: run.Held ? WhyCodes.Approval : null,
            Plan: run.PlanSummary is { } plan ? JsonSerializer.Deserialize(plan, RunsJson.Default.PlanSummary) : null);
    }

    /// <summary>As <see cref="WholeAsync"/> shows it before anything happens to it.</summary>
    public static RunView OfNew(NewRun made, string workspace, string collection) =>
        OfListed(made.Listed, workspace, collection) with { Context = made.Document.Context, Variables = Shown(made.Document), Attempts = [], Action = made.Document.Action };

    /// <summary>With context, variables, attempts and steps.</summary>
    public async Task<RunView> WholeAsync(ListedRun listed, string workspace, string collection, CancellationToken cancellationToken)
    {
        var document = RunDocument.Parse((await store.FindDocumentAsync(listed.Run.Id, cancellationToken))!);
        if (listed.Run.Attempt == 0)
            return OfNew(new NewRun(listed, document), workspace, collection);
        var steps = (await queries.StepsAsync(listed.Run.Id, cancellationToken)).ToLookup(s => s.Attempt);
        var podOf = (await pods.OfRunAsync(listed.Run.Id, cancellationToken)).ToDictionary(p => p.Attempt);
        var events = (await pods.EventsAsync(listed.Run.Id, cancellationToken)).ToLookup(e => e.Attempt, e => e.Event);
        var attempts = await queries.AttemptsAsync(listed.Run.Id, cancellationToken);
        if (listed.Run.Attempt > 0 && !attempts.Exists(a => a.Attempt == listed.Run.Attempt))
            attempts.Add(AttemptRecord.Of(listed.Run));
        var names = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach (var id in attempts.Select(a => a.Runner).OfType<string>().Distinct())
            names[id] = (await runners.FindActiveAsync(id, null, cancellationToken))?.Runner.Slug;
        return OfListed(listed, workspace, collection) with
        {
            Context = document.Context,
            Variables = Shown(document),
            Action = document.Action,
            Attempts =
            [
                .. attempts.Select(a => OfAttempt(a, a.Runner is null ? null : names[a.Runner], steps[a.Attempt], document) with
                {
                    Pod = podOf.TryGetValue(a.Attempt, out var pod) ? new PodView(pod.Namespace, pod.Name, pod.Uid) : null,
                    Events = events.Contains(a.Attempt) ? [.. events[a.Attempt]] : null,
                }),
            ],
        };
    }

    /// <summary>The values that the definition wants masked are nobody's to read.</summary>
    private static IReadOnlyDictionary<string, string> Shown(RunDocument document) => document.Spec.Mask is { Count: > 0 } masked
        ? document.Variables.ToDictionary(v => v.Key, v => masked.Contains(v.Key) ? "***" : v.Value, StringComparer.Ordinal)
        : document.Variables;

    private static AttemptView OfAttempt(AttemptRecord attempt, string? runner, IEnumerable<StepRecord> steps, RunDocument document) => new(
        attempt.Attempt,
        attempt.State,
        runner,
        attempt.Runner,
        Time(attempt.OfferedAt),
        Time(attempt.AcceptedAt),
        Time(attempt.StartedAt),
        Time(attempt.EndedAt),
        attempt.Outcome,
        attempt.Reason,
        attempt.LogBytes,
        attempt.State == AttemptStates.Ended ? attempt.LogComplete : null,
        [.. steps.Select(s => new StepView(s.Step, document.Spec.Steps[s.Step].Name, s.State, s.ExitCode, s.Signal, Time(s.StartedAt), Time(s.EndedAt)))]);

    private static DateTimeOffset? Time(long milliseconds) => milliseconds == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);
}
