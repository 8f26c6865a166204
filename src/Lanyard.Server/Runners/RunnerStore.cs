using System.Data.Common;
using Lanyard.Identity;
using Lanyard.Server.Audit;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Runners;

/// <summary>The SQL of runners and what they are connected to.</summary>
internal sealed class RunnerStore(Database database, AuditLog audit)
{
    private static readonly SqlPart Columns = Part(
        $"runners.id, runners.workspace, slug, spec, trust_record, subject, key_thumbprint, public_jwk, paused, runners.version, created, updated, policy");

    /// <summary>Creates or replaces a runner with its collections. The host whose key it has need not ask any more.</summary>
    /// <param name="expectedVersion">0: it must be new; else the version that it must have.</param>
    /// <param name="about">What the audit says of it, but for the runner.</param>
    /// <returns>It; or Conflict when the version is another, or the slug or the identity belongs to another runner; NotFound when its workspace has gone.</returns>
    public async Task<Outcome<RunnerRecord>> PutAsync(
        RunnerRecord runner, IReadOnlyList<ConnectedCollection> collections, long expectedVersion, AuditEvent about, CancellationToken cancellationToken)
    {
        try
        {
            return await audit.ChangeAsync<RunnerRecord>(
                async transaction =>
                {
                    if (await transaction.ExecuteAsync(expectedVersion == 0 ? Insert(runner) : Update(runner, expectedVersion)) != 1)
                        return ChangedMeanwhile(runner);
                    await transaction.ExecuteAsync($"delete from runner_collections where runner = {runner.Id}");
                    for (var i = 0; i < collections.Count; i++)
                    {
                        var (collection, workspace, name, weight) = collections[i];
                        await transaction.ExecuteAsync(
                            $"""
                            insert into runner_collections (runner, collection, workspace, name, weight, position)
                            values ({runner.Id}, {collection}, {workspace}, {name}, {weight}, {i})
                            """);
                    }
                    if (runner.KeyThumbprint is { } thumbprint)
                        await transaction.ExecuteAsync($"delete from runner_requests where fingerprint = {thumbprint}");
                    return runner;
                },
                _ => about with { WorkspaceId = runner.Workspace, Target = runner.Id },
                cancellationToken);
        }
        catch (ConstraintViolationException violation)
        {
            return violation.Kind == ConstraintKind.Unique ? ChangedMeanwhile(runner) : Http.Access.Missing($"workspace {runner.Workspace} is gone");
        }
    }

    /// <param name="deleted">Called right after the commit.</param>
    /// <returns>False when the version is another.</returns>
    public Task<bool> DeleteAsync(string id, long version, AuditEvent about, Action deleted, CancellationToken cancellationToken) =>
        audit.RecordWithAsync($"delete from runners where id = {id} and version = {version}", id, about with { Target = id }, deleted, cancellationToken);

    public Task<RunnerRecord?> FindAsync(string id, CancellationToken cancellationToken) =>
        database.QuerySingleOrNullAsync($"select {Columns} from runners where id = {id}", Read, cancellationToken);

    /// <param name="workspace">Null: the shared ones.</param>
    public Task<RunnerRecord?> FindBySlugAsync(string? workspace, string slug, CancellationToken cancellationToken) =>
        database.QuerySingleOrNullAsync(
            $"select {Columns} from runners where workspace = {workspace ?? ""} and slug = {slug}", Read, cancellationToken);

    public Task<RunnerRecord?> FindBySubjectAsync(string trustRecord, string subject, CancellationToken cancellationToken) =>
        database.QuerySingleOrNullAsync(
            $"select {Columns} from runners where trust_record = {trustRecord} and subject = {subject}", Read, cancellationToken);

    /// <summary>The slugs of a workspace's runners that prove themselves by tokens of a trust record.</summary>
    public Task<List<string>> ProvenByAsync(string workspace, string trustRecord, CancellationToken cancellationToken) => database.QueryAsync(
        $"select slug from runners where trust_record = {trustRecord} and workspace = {workspace} order by slug", static row => row.GetString(0), cancellationToken);

    public Task<RunnerRecord?> FindByKeyAsync(string thumbprint, CancellationToken cancellationToken) =>
        database.QuerySingleOrNullAsync($"select {Columns} from runners where key_thumbprint = {thumbprint}", Read, cancellationToken);

    /// <param name="after">Only slugs behind this one; null from the first on.</param>
    public Task<List<RunnerRecord>> ListAsync(string? workspace, string? after, int limit, CancellationToken cancellationToken) =>
        database.QueryAsync(
            $"select {Columns} from runners where workspace = {workspace ?? ""} and slug > {after ?? ""} order by slug limit {limit}", Read, cancellationToken);

    /// <summary>What a runner serves, in the order of its spec; what was deleted meanwhile is left out.</summary>
    public Task<List<ConnectedCollection>> CollectionsAsync(string runner, CancellationToken cancellationToken) =>
        database.QueryAsync(
            $"""
            select collection, runner_collections.workspace, name, weight from runner_collections
            join collections on collections.id = runner_collections.collection where runner = {runner} order by position
            """,
            static row => new ConnectedCollection(row.GetString(0), row.GetString(1), row.GetString(2), row.GetInt(3)),
            cancellationToken);

    private static Refusal ChangedMeanwhile(RunnerRecord runner) =>
        new(RefusalReason.Conflict, $"runner {runner.Slug} was changed meanwhile, or its identity is another runner's");

    private static Sql Insert(RunnerRecord runner) =>
        $"""
        insert into runners (id, workspace, slug, spec, trust_record, subject, key_thumbprint, public_jwk, paused, version, created, updated, policy)
        values ({runner.Id}, {runner.Workspace ?? ""}, {runner.Slug}, {runner.Spec}, {runner.TrustRecord}, {runner.Subject}, {runner.KeyThumbprint},
            {runner.PublicJwk}, {runner.Paused}, {runner.Version}, {runner.Created}, {runner.Updated}, {runner.PolicyId})
        """;

    private static Sql Update(RunnerRecord runner, long expectedVersion) =>
        $"""
        update runners set spec = {runner.Spec}, trust_record = {runner.TrustRecord}, subject = {runner.Subject}, key_thumbprint = {runner.KeyThumbprint},
            public_jwk = {runner.PublicJwk}, paused = {runner.Paused}, version = {runner.Version}, updated = {runner.Updated},
            policy = {runner.PolicyId}
        where id = {runner.Id} and version = {expectedVersion}
        """;

    private static RunnerRecord Read(DbDataReader row) => new(
        row.GetString(0), row.GetString(1) is { Length: > 0 } workspace ? workspace : null, row.GetString(2), row.GetString(3), row.GetStringOrNull(4),
        row.GetStringOrNull(5), row.GetStringOrNull(6), row.GetStringOrNull(7), row.GetBoolean(8), row.GetInt64(9), row.GetInt64(10), row.GetInt64(11), row.GetStringOrNull(12));

    private static SqlPart Part(Sql sql) => sql.Part;
}
