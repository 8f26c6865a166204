using System.Collections.Concurrent;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Runners;

/// <summary>
/// Who is a runner: the bearer door asks it for a verified token's runner, the run protocol for what a runner serves. What it remembers of a
/// runner is at most a second old, and is dropped at once when the runner changes on this replica.
/// </summary>
internal sealed class RunnerDirectory : IDisposable
{
    /// <summary>Somebody changed a runner or its session; the payload is the runner's id.</summary>
    public const string Channel = "runners.changed";

    /// <summary>Somebody changed what a runner is offered; the payload is the runner's id.</summary>
    public const string RewrittenChannel = "runners.rewritten";

    private const int Most = 100_000;
    private static readonly TimeSpan Recheck = TimeSpan.FromSeconds(1);

    private readonly RunnerStore _runners;
    private readonly SessionStore _sessions;
    private readonly TimeProvider _time;
    private readonly Notifications _notifications;
    private readonly IDisposable _subscription;
    private readonly ConcurrentDictionary<string, (ActiveRunner Runner, long At)> _active = new(StringComparer.Ordinal);

    /// <summary>Also whose subject is no runner's: that is asked of every pipeline's token.</summary>
    private readonly ConcurrentDictionary<(string Record, string Subject), (RunnerRecord? Runner, long At, long Changes)> _bySubject = new();

    /// <summary>What was read before the last one of them is asked for again.</summary>
    private long _changes;

    public RunnerDirectory(RunnerStore runners, SessionStore sessions, Database database, TimeProvider time)
    {
        (_runners, _sessions, _time, _notifications) = (runners, sessions, time, database.Notifications);
        _subscription = _notifications.Subscribe(Channel, Forget);
    }

    /// <summary>The runner that a verified token of a trust record belongs to, by its subject; null when there is none.</summary>
    /// <param name="trustRecordId">Of the record whose keys verified the token: two clusters with one issuer string are different records.</param>
    public async ValueTask<RunnerRecord?> FindAsync(string trustRecordId, string subject, CancellationToken cancellationToken = default)
    {
        var (asked, changes) = (_time.GetTimestamp(), Interlocked.Read(ref _changes));
        if (_bySubject.TryGetValue((trustRecordId, subject), out var known) && known.Changes == changes && _time.GetElapsedTime(known.At, asked) < Recheck)
            return known.Runner;
        var runner = await _runners.FindBySubjectAsync(trustRecordId, subject, cancellationToken);
        if (_bySubject.Count >= Most)
            _bySubject.Clear();
        _bySubject[(trustRecordId, subject)] = (runner, asked, changes);
        return runner;
    }

    /// <summary>The runner with a key of its own, by the RFC 7638 thumbprint; null when no such key was approved.</summary>
    public async Task<RunnerRecord?> FindByKeyAsync(string thumbprint, CancellationToken cancellationToken = default) =>
        await _runners.FindByKeyAsync(thumbprint, cancellationToken);

    /// <summary>The runner with its collections and session; null when it was deleted.</summary>
    /// <param name="session">What the caller says is the present session: where memory says otherwise, the database is asked. Null: not said.</param>
    public async ValueTask<ActiveRunner?> FindActiveAsync(string id, string? session, CancellationToken cancellationToken = default)
    {
        var asked = _time.GetTimestamp();
        if (_active.TryGetValue(id, out var known) && _time.GetElapsedTime(known.At, asked) < Recheck
            && (session is null || known.Runner.Session?.Session == session))
            return known.Runner;
        if (await _runners.FindAsync(id, cancellationToken) is not { } runner)
            return null;
        var collections = await _runners.CollectionsAsync(id, cancellationToken);
        var present = await _sessions.FindAsync(id, cancellationToken);
        var spec = RunnerRules.SpecOf(runner);
        var labels = RunnerRules.LabelsOf(spec, present?.Labels ?? [], present?.Executors ?? []).ToHashSet(StringComparer.Ordinal);
        var active = new ActiveRunner(
            runner, collections, present, labels, spec.Concurrency, spec.State ?? RunnerStates.Active, spec.Ephemeral ?? false);
        if (_active.Count >= Most)
            _active.Clear();
        _active[id] = (active, asked);
        return active;
    }

    /// <summary>To be called after the commit of any change of a runner or its session.</summary>
    public void Changed(string id) => _notifications.Publish(Channel, id);

    /// <summary>As <see cref="Changed"/>, where the resource itself was put or deleted: a poll that waits must look again.</summary>
    public void Rewritten(string id)
    {
        Changed(id);
        _notifications.Publish(RewrittenChannel, id);
    }

    public void Dispose() => _subscription.Dispose();

    private void Forget(string? id)
    {
        Interlocked.Increment(ref _changes);
        if (id is null)
            _active.Clear();
        else
            _active.TryRemove(id, out _);
    }
}
