using System.Globalization;
using System.Text.Json;
using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Runners;

namespace Lanyard.Server.Runs;

/// <summary>What is known of a run that waits.</summary>
/// <param name="Limit">Of the collection; null: none.</param>
/// <param name="Live">Attempts of the collection, where it has a limit.</param>
/// <param name="Ahead">Runs of the same queue that are offered first.</param>
internal sealed record WaitingFacts(string Collection, QueueKey Queue, string State, int? Limit, int Live, int Ahead, long Now);

/// <summary>
/// Why a run waits: first what holds for the collection as a whole, then a verdict on each runner that serves it. The same conditions as the claim's, read
/// one after another instead of all at once.
/// </summary>
internal static class WhyRules
{
    public static readonly TimeSpan SeenLately = TimeSpan.FromMinutes(2);

    /// <returns>At least one; the first is the one to tell.</returns>
    public static IReadOnlyList<WhyReason> Reasons(WaitingFacts facts, IReadOnlyList<ServingRunner> serving)
    {
        var reasons = new List<WhyReason>();
        OfCollection(facts, reasons);
        var verdicts = serving.Select(runner => (Runner: runner, Verdict: Judge(facts, runner))).ToList();
        var ready = verdicts.Count(v => v.Verdict is null);
        if (ready == 0)
            OfRunners(facts, verdicts.ConvertAll(v => (v.Runner, v.Verdict!)), reasons);
        if (facts.Ahead > 0)
            reasons.Add(new(WhyCodes.Behind, $"{(facts.Ahead >= WhyQueries.MostAhead ? $"{WhyQueries.MostAhead} or more" : Number(facts.Ahead))} runs of higher priority, or older, are before it"));
        if (reasons.Count == 0)
            reasons.Add(new(WhyCodes.Next, $"{Number(ready)} {(ready == 1 ? "runner" : "runners")} could take it: it is offered next"));
        return reasons;
    }

    private static void OfCollection(WaitingFacts facts, List<WhyReason> reasons)
    {
        if (facts.State == CollectionStates.Paused)
            reasons.Add(new(WhyCodes.CollectionPaused, "the collection is paused"));
        if (facts.State == CollectionStates.Draining)
            reasons.Add(new(WhyCodes.CollectionDraining, "the collection is being drained: what waits is canceled"));
        if (facts.Limit is { } limit && facts.Live >= limit)
            reasons.Add(new(WhyCodes.CollectionLimit, $"the collection has {Number(facts.Live)} attempts, and its limit is {Number(limit)}"));
    }

    private static void OfRunners(WaitingFacts facts, List<(ServingRunner Runner, WhyReason Verdict)> verdicts, List<WhyReason> reasons)
    {
        if (verdicts.Count == 0)
        {
            reasons.Add(new(WhyCodes.NoRunner, "no runner serves the collection"));
            return;
        }

        var online = verdicts.Where(v => v.Verdict.Code != WhyCodes.RunnerOffline).ToList();
        var missing = facts.Queue.Labels.Where(label => !online.Exists(v => Labels(v.Runner).Contains(label))).ToList();
        if (facts.Queue.Runner is null && online.Count > 0 && missing.Count > 0)
            reasons.Add(new(WhyCodes.NoRunnerWithLabel, $"no runner with label {missing[0]} is online"));
        else if (facts.Queue.Runner is null && online.Count > 0 && online.TrueForAll(v => v.Verdict.Code == WhyCodes.RunnerLacksLabel))
            reasons.Add(new(WhyCodes.NoRunnerWithLabel, $"no runner online has all of the labels {string.Join(", ", facts.Queue.Labels)}"));

        // Where the run names a runner, that one's verdict is the one to tell; else those come first that could change soonest.
        reasons.AddRange(verdicts.Select(v => v.Verdict).OrderBy(v => Rank(v.Code)));
    }

    private static int Rank(string code) => code switch
    {
        WhyCodes.RunnerAtCapacity => 0,
        WhyCodes.RunnerPaused or WhyCodes.RunnerCordoned or WhyCodes.RunnerDraining or WhyCodes.RunnerNoRoom => 1,
        WhyCodes.RunnerIsAnother => 9,
        _ => 2,
    };

    /// <summary>Null: it could take the run now.</summary>
    private static WhyReason? Judge(WaitingFacts facts, ServingRunner runner)
    {
        var spec = SpecOf(runner);
        if (facts.Queue.Runner is { } named && named != runner.Id)
            return No(WhyCodes.RunnerIsAnother, "is not the one that the run names");
        if (spec.Ephemeral == true && runner.Spent)
            return No(WhyCodes.RunnerSpent, "is ephemeral and has had its run");
        if (runner.LastSeen is not { } seen || facts.Now - seen > SeenLately.TotalMilliseconds)
            return No(WhyCodes.RunnerOffline, runner.LastSeen is null ? "has never been online" : "is not online");
        if (spec.State is RunnerStates.Paused)
            return No(WhyCodes.RunnerPaused, "is paused");
        if (spec.State is RunnerStates.Draining)
            return No(WhyCodes.RunnerDraining, "is being drained");
        if (spec.State is RunnerStates.Cordoned && facts.Queue.Runner is null)
            return No(WhyCodes.RunnerCordoned, "is cordoned: it takes only runs that name it");
        if (!runner.IsSandboxed && runner.First != facts.Collection)
            return No(WhyCodes.RunnerServesAnother, "has no sandboxes, and serves the first of its collections only");
        if (facts.Queue.Labels.FirstOrDefault(label => !Labels(runner).Contains(label)) is { } missing)
            return No(WhyCodes.RunnerLacksLabel, $"does not have the label {missing}");
        if (runner.NoRoom is { } reason)
            return No(WhyCodes.RunnerNoRoom, reason == NoRoomReasons.Disk ? "takes no run: the disk of its host is full" : $"takes no run: it says that it has no room ({reason})");
        var most = spec.Ephemeral == true ? 1 : Math.Min(runner.Concurrency, spec.Concurrency ?? int.MaxValue);
        return runner.Live >= most ? No(WhyCodes.RunnerAtCapacity, $"is at capacity ({Number(runner.Live)} of {Number(most)})") : null;

        WhyReason No(string code, string text) => new(code, $"runner {runner.Slug} {text}", runner.Slug);
    }

    private static HashSet<string> Labels(ServingRunner runner) =>
        [.. RunnerRules.LabelsOf(SpecOf(runner), runner.Labels, runner.Executors)];

    private static RunnerSpec SpecOf(ServingRunner runner) =>
        JsonSerializer.Deserialize(runner.Spec, ResourceJson.Default.RunnerSpec) ?? throw new JsonException("a stored spec is null");

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);
}
