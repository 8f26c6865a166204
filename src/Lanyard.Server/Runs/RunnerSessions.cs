using System.Collections.Concurrent;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Runners;

namespace Lanyard.Server.Runs;

/// <summary>Opens sessions of runners, and notes when one was seen.</summary>
internal sealed class RunnerSessions(
    RunnerDirectory directory, SessionStore store, RunStore runs, AttemptLiveness liveness, Dispatch dispatch, RunRules rules,
    TimeProvider time)
{
    private const int Most = 100_000;
    private static readonly TimeSpan NoteEvery = TimeSpan.FromMinutes(1);
    private readonly ConcurrentDictionary<string, long> _noted = new(StringComparer.Ordinal);

    /// <summary>A new session fences the older one at once: what it had is the new one's, and a poll of its that waits is answered.</summary>
    /// <param name="tell">What the audit says of it.</param>
    /// <returns>The runner with its session; NotFound when the runner is gone, RequestMalformed (the detail is for the caller) when it says a label that its record does not let it have.</returns>
    public async Task<Outcome<ActiveRunner>> OpenAsync(
        string runner, SessionRequest request, Func<RunnerRecord, RunnerSession, AuditEvent> tell, CancellationToken cancellationToken)
    {
        if (await directory.FindActiveAsync(runner, null, cancellationToken) is not { } known)
            return Access.Missing($"runner {runner} is gone");
        var spec = RunnerRules.SpecOf(known.Runner);
        if (request.Labels.FirstOrDefault(label => !RunnerRules.MaySay(spec, label)) is { } label)
            return new Refusal(RefusalReason.RequestMalformed, $"{label} is none of the spec.sessionLabels of runner {known.Runner.Slug}");
        var now = rules.Now;
        var wanted = new RunnerSession(
            runner, Ids.New("ses", time), request.Nonce, request.Version, request.Concurrency, request.Labels, request.Executors, request.Sandboxed, now, now, false);
        var present = await store.OpenAsync(wanted, tell(known.Runner, wanted), cancellationToken);

        // Of a repeated call too: the server may have died between the session and this.
        foreach (var moved in await runs.MoveToSessionAsync(runner, present.Session, cancellationToken))
            liveness.Changed(moved);
        if (present.Session == wanted.Session)
        {
            directory.Changed(runner);
            dispatch.Nudge(runner);
        }
        return await directory.FindActiveAsync(runner, present.Session, cancellationToken) is { Session: not null } active
            ? active
            : Access.Missing($"runner {runner} is gone");
    }

    /// <summary>What a poll says of the runner's room; written where that is new.</summary>
    public async ValueTask RoomAsync(ActiveRunner runner, string? noRoom, CancellationToken cancellationToken)
    {
        if (runner.Session!.NoRoom == noRoom)
            return;
        await store.RoomAsync(runner.Runner.Id, runner.Session.Session, noRoom, cancellationToken);
        directory.Changed(runner.Runner.Id);
    }

    /// <summary>Written once a minute at most.</summary>
    public async ValueTask SeenAsync(ActiveRunner runner, CancellationToken cancellationToken)
    {
        var now = time.GetTimestamp();
        if (_noted.TryGetValue(runner.Session!.Session, out var before) && time.GetElapsedTime(before, now) < NoteEvery)
            return;
        if (_noted.Count >= Most)
            _noted.Clear();
        _noted[runner.Session.Session] = now;
        await store.SeenAsync(runner.Runner.Id, runner.Session.Session, rules.Now, cancellationToken);
    }
}
