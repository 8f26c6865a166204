using Lanyard.Protocol.Resources;
using Lanyard.Server.Collections;
using Lanyard.Server.Hosting;
using Lanyard.Server.Runs.Opentofu;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Runs;

/// <summary>
/// What time does to runs: lapsed offers and leases, attempts that do not stop, runs that nobody takes, plans that nobody approves; and the slow poll behind the wake-ups.
/// Every replica sweeps; a change is written once, whoever comes first.
/// </summary>
internal sealed class RunSweeper(
    RunStore store, RunChanges changes, RunRules rules, Dispatch dispatch, ClaimStore claims, CollectionDirectory collections,
    EphemeralRunners ephemeral, PlanStore plans, TimeProvider time, ILogger<RunSweeper> logger) : BackgroundService
{
    private const int Batch = 500;
    private static readonly TimeSpan QueueCheck = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan SpentCheck = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan OwnTimesCheck = TimeSpan.FromSeconds(2);

    /// <summary>One look at everything that is overdue.</summary>
    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        List<RunRecord> overdue;
        do
        {
            overdue = await store.OverdueAsync(rules.Now, Batch, cancellationToken);
            foreach (var run in overdue)
                await ExpireAsync(run, cancellationToken);
        }
        while (overdue.Count == Batch);
    }

    /// <summary>Ends runs whose own time in the queue is over, and those that wait in a collection that is being drained.</summary>
    public async Task SweepOwnTimesAsync(CancellationToken cancellationToken)
    {
        List<RunRecord> waiting;
        do
        {
            waiting = await store.QueuedUntilAsync(rules.Now, Batch, cancellationToken);
            foreach (var run in waiting)
                await ExpireAsync(run, cancellationToken);
        }
        while (waiting.Count == Batch);
        if (collections.Any(static entry => entry.State == CollectionStates.Draining))
            await DrainAsync(cancellationToken);
    }

    /// <summary>Ends runs whose plan nobody has approved or discarded in its time.</summary>
    public async Task SweepUnapprovedAsync(CancellationToken cancellationToken)
    {
        List<RunRecord> waiting;
        do
        {
            waiting = await store.UnapprovedAsync(rules.Now, (long)rules.Options.ApprovalLife.TotalMilliseconds, Batch, cancellationToken);
            foreach (var run in waiting)
                await ExpireAsync(run, cancellationToken);
        }
        while (waiting.Count == Batch);
    }

    /// <summary>Ends runs that have waited for too long.</summary>
    public async Task SweepQueuesAsync(CancellationToken cancellationToken)
    {
        var before = rules.Now - (long)rules.Options.QueueLife.TotalMilliseconds;
        List<RunRecord> waiting;
        do
        {
            waiting = await store.WaitingSinceAsync(before, Batch, cancellationToken);
            foreach (var run in waiting)
                await ExpireAsync(run, cancellationToken);
        }
        while (waiting.Count == Batch);
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(
        RepeatAsync("sweep of runs", rules.Options.Sweep, SweepAsync, stoppingToken),
        RepeatAsync("sweep of queues", QueueCheck, SweepQueuesAsync, stoppingToken),
        RepeatAsync("sweep of plans that nobody approves", QueueCheck, SweepUnapprovedAsync, stoppingToken),
        RepeatAsync("sweep of times in queues", OwnTimesCheck, SweepOwnTimesAsync, stoppingToken),
        RepeatAsync("sweep of spent runners", SpentCheck, ephemeral.RemoveSpentAsync, stoppingToken),
        RepeatAsync("sweep of plans", QueueCheck, plans.RemoveFinishedAsync, stoppingToken),
        RepeatAsync("slow poll", rules.Options.SlowPoll, dispatch.LookAsync, stoppingToken));

    private async Task DrainAsync(CancellationToken cancellationToken)
    {
        foreach (var queue in await claims.WaitingQueuesAsync(cancellationToken))
        {
            if (collections.FindById(QueueKey.Parse(queue).Collection)?.State != CollectionStates.Draining)
                continue;
            List<RunRecord> waiting;
            do
            {
                waiting = await store.WaitingInAsync(queue, Batch, cancellationToken);
                foreach (var run in waiting)
                    await ChangeAsync(run, rules.Drain, cancellationToken);
            }
            while (waiting.Count == Batch);
        }
    }

    private Task ExpireAsync(RunRecord run, CancellationToken cancellationToken) => ChangeAsync(run, rules.Expire, cancellationToken);

    private async Task ChangeAsync(RunRecord run, Func<RunRecord, RunRecord> rule, CancellationToken cancellationToken)
    {
        var outcome = await changes.ApplyAsync(run.Id, row => rule(row), RunAudit.Expired, cancellationToken);
        if (outcome.IsRefused || outcome.Value.IsNone)
            return;
        var after = outcome.Value.After;
        logger.Expired(after.Id, after.Attempt, after.AttemptState, after.State, after.Reason);
    }

    private Task RepeatAsync(string name, TimeSpan every, Func<CancellationToken, Task> work, CancellationToken stoppingToken) =>
        Rounds.RepeatAsync(name, every, work, time, logger, stoppingToken, isAtOnce: true);
}
