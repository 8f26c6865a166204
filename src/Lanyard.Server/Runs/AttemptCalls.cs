using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Audit;
using Lanyard.Server.Collections;
using Lanyard.Server.Http;

namespace Lanyard.Server.Runs;

/// <summary>Makes the runtime token of an attempt; handed in where the server is put together, because issuers are another room.</summary>
/// <param name="expires">The attempt's last moment, at most 24 hours away.</param>
internal delegate ValueTask<string> MintRuntimeToken(string run, int attempt, string workspaceId, DateTimeOffset expires, CancellationToken cancellationToken);

/// <summary>
/// What a runner does with an attempt: accept, start, steps, log, end. Each call is fenced by run, attempt and session, and what a runner has never
/// held does not exist for it.
/// </summary>
internal sealed class AttemptCalls(
    RunStore store, RunMemory memory, RunQueries queries, RunChanges changes, RunRules rules, RunLogs logs, LogSignals signals, AttemptLiveness liveness, Instance instance,
    MintRuntimeToken mint, RunMetrics metrics, OffersOut offersOut)
{
    private static readonly TimeSpan LongestToken = TimeSpan.FromHours(24);

    /// <param name="forbid">Why the caller may not take it; null: it may.</param>
    /// <param name="tell">What the audit says of it.</param>
    public async Task<Outcome<RunChange>> AcceptAsync(
        string run, AttemptCall call, Func<RunRecord, Refusal?> forbid, Func<RunChange, AuditEvent> tell, CancellationToken cancellationToken)
    {
        var document = DocumentAheadAsync(run, call, cancellationToken);
        try
        {
            var outcome = await ToldAsync(await changes.ContinueAsync(run, row => forbid(row) is { } refusal ? refusal : rules.Accept(row, call), tell, cancellationToken), run, call, cancellationToken);
            if (!outcome.IsRefused && call.Session is not null)
                offersOut.Accepted(call.Session, run, call.Attempt);
            return outcome;
        }
        finally
        {
            await document.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>While the accept is on its way to the disk, where memory says that it will be taken: <see cref="PayloadAsync"/> then has it.</summary>
    private async Task DocumentAheadAsync(string run, AttemptCall call, CancellationToken cancellationToken)
    {
        if (!memory.HasDocument(run) && memory.Find(run) is { } row && call.IsOf(row) && await store.FindDocumentAsync(run, cancellationToken) is { } json)
            memory.Remember(run, RunDocument.Parse(json), json);
    }

    public async Task<Outcome<RunChange>> StartAsync(string run, AttemptCall call, CancellationToken cancellationToken) =>
        await ToldAsync(await changes.ContinueAsync(run, row => rules.Start(row, call), null, cancellationToken), run, call, cancellationToken);

    /// <summary>Everything that the runner needs; the same again for a repeated accept, but for the token, which is fresh.</summary>
    public async Task<AttemptPayload> PayloadAsync(RunRecord run, CancellationToken cancellationToken)
    {
        var document = memory.FindDocument(run.Id) ?? RunDocument.Parse((await store.FindDocumentAsync(run.Id, cancellationToken))!);
        var now = rules.Now;

        // The attempt's end is what ends it, and the time until then can be extended.
        var expires = now + (long)LongestToken.TotalMilliseconds;
        var token = await mint(run.Id, run.Attempt, run.Workspace, DateTimeOffset.FromUnixTimeMilliseconds(expires), cancellationToken);
        return new(
            run.Id,
            run.Attempt,
            document.Workspace,
            document.Collection,
            document.Definition,
            document.DefinitionUuid,
            run.Phase,
            instance.WorkspaceIssuer(document.Home?.Workspace ?? document.Workspace),
            document.DefaultAudience,
            token,
            (int)Math.Max(0, (run.Deadline - now) / 1000),
            run.TimeoutSeconds,
            (int)rules.GraceOf(run).TotalSeconds,
            [.. document.Spec.Steps.Select(s => new StepPayload(
                s.Name, IsSkipped(run, document) ? null : s.Argv, IsSkipped(run, document) ? ":" : s.Script, s.Environment ?? new Dictionary<string, string>(), s.TimeoutSeconds ?? run.TimeoutSeconds,
                StepTokens.Of(s)?.Select(static asked => asked.Audience).ToList(), StepTokens.Of(s)?.Select(static asked => asked.Subject).ToList(),
                s.Cache ?? document.Spec.Cache is not null))],
            document.Variables,
            CloudResolution.Resolve(document.Cloud, run.Id, run.Phase),
            PodOf(document.Pod),
            document.Spec.SilenceTimeoutSeconds,
            RunCaches.Of(document)?.Scopes,
            document.Spec.Mask,
            document.Action is { } action ? new OpentofuPayload(action, document.Spec.Opentofu!.Files, document.Spec.Opentofu.Folder) : null);
    }

    /// <summary>What accepts are going to ask for, in one query: memory may forget it again, so nothing rests on it.</summary>
    public async Task ReadAheadAsync(IReadOnlyList<string> runs, CancellationToken cancellationToken)
    {
        var unknown = runs.Where(run => memory.Find(run) is null || !memory.HasDocument(run)).ToList();
        if (unknown.Count < 2)
            return;
        foreach (var (row, json) in await store.FindWithDocumentsAsync(unknown, cancellationToken))
        {
            memory.Remember(row);
            if (!RunMemory.IsLarge(json))
                memory.Remember(row.Id, RunDocument.Parse(json), json);
        }
    }

    /// <summary>
    /// Whether the payload of an attempt that is the caller's is too large to be answered together with others: it is about as large as the run's document.
    /// </summary>
    public async Task<bool> IsLargeAsync(string run, AttemptCall call, CancellationToken cancellationToken)
    {
        if (memory.HasDocument(run))
            return false;
        if (await changes.FindAsync(run, row => RunRules.Fence(row, call), cancellationToken) is not { } row || RunRules.Fence(row, call) is not null)
            return false;
        var json = (await store.FindDocumentAsync(run, cancellationToken))!;
        memory.Remember(run, RunDocument.Parse(json), json);
        return RunMemory.IsLarge(json);
    }

    /// <summary>An apply works in the folder that was planned in: nothing prepares another.</summary>
    private static bool IsSkipped(RunRecord run, RunDocument document) => document.Action is not null && run.Phase == RunRules.ApplyPhase;

    private static PodPayload? PodOf(PodSpec? pod) => pod is null
        ? null
        : new(pod.Image, pod.ImagePullPolicy, pod.ServiceAccount, pod.NodeSelector, pod.Requests, pod.Limits, pod.User);

    /// <returns>The attempt's state; RequestMalformed for a step that the run does not have.</returns>
    public async Task<Outcome<string>> StepAsync(string run, AttemptCall call, int step, StepReport report, CancellationToken cancellationToken)
    {
        if (!(await HoldAsync(run, call, cancellationToken)).TryGet(out var state, out var refusal))
            return refusal;
        if (await store.PutStepAsync(run, call.Attempt, step, report.State, report.ExitCode, report.Signal, rules.Now, cancellationToken))
            return state;
        return await store.FindAsync(run, cancellationToken) is { } row && step < row.StepCount
            ? state
            : new Refusal(RefusalReason.RequestMalformed, $"{run} has no step {step}");
    }

    public async Task<Outcome<LogAppend>> LogAsync(string run, AttemptCall call, long offset, ReadOnlyMemory<byte> chunk, CancellationToken cancellationToken)
    {
        if ((await HoldAsync(run, call, cancellationToken)).TryGet(out _, out var refusal) is false)
            return refusal;
        var appended = await logs.AppendAsync(run, call.Attempt, offset, chunk, cancellationToken);
        if (appended is { IsRefused: false, Value.IsGap: false })
        {
            metrics.Logged(chunk.Length);
            signals.Appended(run, call.Attempt);
        }

        return appended;
    }

    /// <param name="tell">What the audit says of it.</param>
    public async Task<Outcome<RunChange>> EndAsync(
        string run, AttemptCall call, EndRequest end, Func<RunChange, AuditEvent> tell, CancellationToken cancellationToken)
    {
        // Before anything is looked for on the disk: what is no attempt of the caller's has no file, and gets none.
        if (await changes.FindAsync(run, known => RunRules.Hold(known, call), cancellationToken) is not { } row)
            return new Refusal(RefusalReason.NotFound, $"there is no run {run}");
        if (!RunRules.IsRepeatedEnd(row, call) && RunRules.Hold(row, call) is { } refusal)
            return await ToldAsync(refusal, run, call, cancellationToken);
        var complete = await logs.FinishAsync(run, call.Attempt, end.LogBytes, end.LogSha256, cancellationToken);
        var ended = new AttemptEnd(end.Outcome, end.Reason, logs.Length(run, call.Attempt), end.LogSha256, complete, end.Plan);
        var outcome = await changes.ContinueAsync(run, current => rules.End(current, call, ended), tell, cancellationToken);
        if (outcome is { IsRefused: false, Value.IsNone: false })
            metrics.Masked(end.Masked ?? 0);
        signals.Appended(run, call.Attempt);
        return await ToldAsync(outcome, run, call, cancellationToken);
    }

    /// <summary>
    /// Whether the attempt is the caller's, and its lease renewed: any sign of life of an attempt renews. What memory has known for less than the
    /// recheck time is not written again.
    /// </summary>
    public async Task<Outcome<string>> HoldAsync(string run, AttemptCall call, CancellationToken cancellationToken)
    {
        if (liveness.HeldState(run, call) is { } known)
            return known;
        var asked = liveness.Ask();
        var held = await store.RenewAsync(call.Runner, call.Session, [(run, call.Attempt)], rules.Now, rules.LeaseEnd, cancellationToken);
        if (held is [{ State: not AttemptStates.Offered } mine])
        {
            liveness.RememberHeld(mine, call, asked);
            return mine.State;
        }
        if (await store.FindAsync(run, cancellationToken) is not { } row)
            return new Refusal(RefusalReason.NotFound, $"there is no run {run}");
        var refusal = RunRules.Hold(row, call) ?? new Refusal(RefusalReason.AttemptOver, $"the lease of attempt {call.Attempt} of {run} has ended");
        return (await ToldAsync(refusal, run, call, cancellationToken)).Refusal;
    }

    /// <summary>A stale attempt is told so only to a runner that had one of the run's: to every other the run does not exist.</summary>
    private async Task<Outcome<RunChange>> ToldAsync(Outcome<RunChange> outcome, string run, AttemptCall call, CancellationToken cancellationToken)
    {
        if (!outcome.IsRefused || outcome.Refusal.Reason is not (RefusalReason.StaleAttempt or RefusalReason.AttemptOver))
            return outcome;
        return await queries.HadAttemptAsync(run, call.Runner, cancellationToken)
            ? outcome
            : new Refusal(RefusalReason.NotFound, $"{run} was never {call.Runner}'s: {outcome.Refusal.Detail}");
    }
}
