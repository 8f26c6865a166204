using Lanyard.Protocol.Runs;
using Lanyard.Server.Audit;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Runs;

/// <summary>The pod of an attempt.</summary>
/// <param name="TrustRecord">Of the runner's cluster: two clusters may have a pod of the same uid, by a copy of their state.</param>
internal sealed record AttemptPod(
    string Run, int Attempt, string Runner, string TrustRecord, string Namespace, string Name, string Uid, string ServiceAccount);

/// <summary>Whose attempt a pod is.</summary>
internal sealed record PodOwner(string Run, int Attempt, string Runner, string Workspace);

/// <summary>The SQL of attempts' pods and of what happened to attempts outside their steps.</summary>
internal sealed class PodStore(Database database, AuditLog audit)
{
    public const int MaxEvents = 100;

    /// <summary>Writes the pod, unless the attempt has one. Its name is of this attempt alone, so nobody who names the same uid for another one is in the way.</summary>
    /// <param name="about">What the audit says of it, where something changes.</param>
    /// <returns>Whether the attempt's pod is now this one: also where it was before.</returns>
    public async Task<bool> BindAsync(AttemptPod pod, long now, AuditEvent about, CancellationToken cancellationToken = default) =>
        await audit.RecordWithAsync(
            $"""
            insert into attempt_pods (run, attempt, runner, trust_record, namespace, name, uid, service_account, bound_at)
            values ({pod.Run}, {pod.Attempt}, {pod.Runner}, {pod.TrustRecord}, {pod.Namespace}, {pod.Name}, {pod.Uid}, {pod.ServiceAccount}, {now})
            on conflict (run, attempt) do nothing
            """,
            pod.Run,
            about,
            static () => { },
            cancellationToken)
        || (await OfRunAsync(pod.Run, cancellationToken)).Contains(pod);

    public Task<List<AttemptPod>> OfRunAsync(string run, CancellationToken cancellationToken = default) =>
        database.QueryAsync(
            $"select run, attempt, runner, trust_record, namespace, name, uid, service_account from attempt_pods where run = {run} order by attempt",
            static row => new AttemptPod(
                row.GetString(0), row.GetInt(1), row.GetString(2), row.GetString(3), row.GetString(4), row.GetString(5), row.GetString(6), row.GetString(7)),
            cancellationToken);

    /// <summary>The attempt of a pod of which everything is as it was written; null: it is nobody's. Whether the attempt lives is not asked here.</summary>
    public Task<PodOwner?> FindAsync(string trustRecord, PodClaims pod, CancellationToken cancellationToken = default) =>
        database.QuerySingleOrNullAsync(
            $"""
            select p.run, p.attempt, p.runner, r.workspace from attempt_pods p join runs r on r.id = p.run
            where p.trust_record = {trustRecord} and p.uid = {pod.Uid} and p.namespace = {pod.Namespace} and p.name = {pod.Name}
                and p.service_account = {pod.ServiceAccount}
            """,
            static row => new PodOwner(row.GetString(0), row.GetInt(1), row.GetString(2), row.GetString(3)),
            cancellationToken);

    /// <summary>Adds what is new; a key that is there stays, and of an attempt the first <see cref="MaxEvents"/> are kept.</summary>
    public Task AddEventsAsync(string run, int attempt, IReadOnlyList<AttemptEvent> events, CancellationToken cancellationToken = default) =>
        database.TransactionAsync(
            async transaction =>
            {
                foreach (var one in events)
                {
                    await transaction.ExecuteAsync(
                        $"""
                        insert into attempt_events (run, attempt, event_key, at, reason, message)
                        select id, {attempt}, {one.Key}, {one.At}, {one.Reason}, {one.Message} from runs
                        where id = {run} and (select count(*) from attempt_events where run = {run} and attempt = {attempt}) < {MaxEvents}
                        on conflict do nothing
                        """);
                }

                return true;
            },
            cancellationToken);

    public Task<List<(int Attempt, EventView Event)>> EventsAsync(string run, CancellationToken cancellationToken = default) =>
        database.QueryAsync(
            $"select attempt, at, reason, message from attempt_events where run = {run} order by attempt, at, event_key",
            static row => (row.GetInt(0), new EventView(DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(1)), row.GetString(2), row.GetString(3))),
            cancellationToken);
}
