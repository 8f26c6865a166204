using Lanyard.Identity;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Audit;
using Lanyard.Server.Runners;

namespace Lanyard.Server.Runs;

/// <summary>
/// What is special about an attempt that runs in a pod of its own: the runner names the pod, once; the pod holds the attempt itself, so that neither
/// the runner's restart nor its absence ends it.
/// </summary>
internal sealed class PodCalls(
    PodStore store, RunStore runs, AttemptCalls calls, AttemptNews news, AttemptLiveness liveness, RunnerDirectory runners, RunRules rules, TimeProvider time)
{
    /// <param name="about">What the audit says of it.</param>
    /// <returns>The attempt's state; StaleAttempt when the attempt has another pod; RequestMalformed where the runner can have none, or the pod was not made for the attempt.</returns>
    public async Task<Outcome<string>> NameAsync(string run, AttemptCall call, PodReport report, AuditEvent about, CancellationToken cancellationToken)
    {
        if (!(await calls.HoldAsync(run, call, cancellationToken)).TryGet(out var state, out var refusal))
            return refusal;
        if (await runners.FindActiveAsync(call.Runner, call.Session, cancellationToken) is not { Runner: { TrustRecord: { } record } runner })
            return new Refusal(RefusalReason.RequestMalformed, $"{call.Runner} is in no registered cluster: nobody could vouch for its pods");
        if (runner.Subject == $"system:serviceaccount:{report.Namespace}:{report.ServiceAccount}")
            return new Refusal(RefusalReason.RequestMalformed, "a pod's service account must not be the runner's own");
        if (!PodNames.IsOf(report.Name, run, call.Attempt))
            return new Refusal(RefusalReason.RequestMalformed, $"pod {report.Name} is not called as the pods of attempt {call.Attempt} of {run} are: {PodNames.OfJob(run, call.Attempt)}-…");
        var pod = new AttemptPod(run, call.Attempt, call.Runner, record, report.Namespace, report.Name, report.Uid, report.ServiceAccount);
        return await store.BindAsync(pod, rules.Now, about, cancellationToken)
            ? state
            : new Refusal(RefusalReason.StaleAttempt, $"attempt {call.Attempt} of {run} has another pod than {report.Uid}");
    }

    /// <summary>Also of an attempt that is over, as long as no other has followed: why it ended is often known a moment later.</summary>
    /// <returns>The attempt's state.</returns>
    public async Task<Outcome<string>> AddEventsAsync(string run, AttemptCall call, EventsReport report, CancellationToken cancellationToken)
    {
        if (!(await calls.HoldAsync(run, call, cancellationToken)).TryGet(out var state, out var refusal))
        {
            if (refusal.Reason is not RefusalReason.AttemptOver || await runs.FindAsync(run, cancellationToken) is not { } row || !call.IsOf(row))
                return refusal;
            state = row.AttemptState;
        }

        await store.AddEventsAsync(run, call.Attempt, report.Events, cancellationToken);
        return state;
    }

    /// <summary>Renews the lease, waits for a change of the attempt, and renews it again: what is answered is good from the answer on.</summary>
    public async Task<HoldAnswer> HoldAsync(string run, AttemptCall call, TimeSpan wait, CancellationToken cancellationToken)
    {
        var next = news.Next(run, call.Attempt);
        var answer = await RenewAsync(run, call, cancellationToken);
        var longest = rules.Options.Lease / 3;
        if (answer.Answer is not HoldAnswers.Keep || wait <= TimeSpan.Zero)
            return answer;
        var began = time.GetTimestamp();
        wait = wait < longest ? wait : longest;
        while (answer.Answer is HoldAnswers.Keep && wait - time.GetElapsedTime(began) is var left && left > TimeSpan.Zero)
        {
            try
            {
                await next.WaitAsync(left, time, cancellationToken);
            }
            catch (TimeoutException)
            {
                // Nothing has happened: the lease is renewed all the same.
            }

            next = news.Next(run, call.Attempt);
            answer = await RenewAsync(run, call, cancellationToken);
        }

        return answer;
    }

    private async Task<HoldAnswer> RenewAsync(string run, AttemptCall call, CancellationToken cancellationToken)
    {
        var now = rules.Now;
        var held = await runs.RenewAsync(call.Runner, call.Session, [(run, call.Attempt)], now, rules.LeaseEnd, cancellationToken);
        if (await liveness.IsHeldAsync(run, call.Attempt, cancellationToken) is false)
            held = [];
        return HoldAnswering.Answer(new Hold(run, call.Attempt, AttemptStates.Running), held.Count == 1 ? held[0] : null, now);
    }
}
