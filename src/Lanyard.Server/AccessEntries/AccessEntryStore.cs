using System.Data.Common;
using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;

namespace Lanyard.Server.AccessEntries;

/// <summary>The table <c>access_entries</c>.</summary>
internal sealed class AccessEntryStore(Database database, AuditLog audit, TimeProvider time)
{
    private static readonly SqlFragment Columns = new("id, slug, version, created_at, updated_at, spec");

    public Task<List<ResourceRow<JsonElement>>> ListAsync(string workspaceId, Paging paging, CancellationToken cancellation) => database.QueryAsync(
        $"select {Columns} from access_entries where workspace = {workspaceId} and slug > {paging.After} order by slug limit {paging.Limit + 1}", Read, cancellation);

    public async Task<ResourceRow<JsonElement>?> FindAsync(string workspaceId, string slug, CancellationToken cancellation) =>
        (await database.QueryAsync($"select {Columns} from access_entries where workspace = {workspaceId} and slug = {slug}", Read, cancellation)).FirstOrDefault();

    /// <returns>What was done; or PreconditionFailed, PreconditionRequired, NotFound (the workspace has gone).</returns>
    public async Task<Outcome<Put<JsonElement>>> PutAsync(
        string workspaceId, string slug, JsonElement spec, Precondition precondition, AuditEvent about, CancellationToken cancellation)
    {
        var current = await FindAsync(workspaceId, slug, cancellation);
        if (precondition.Check(current?.ETag) is { } unmet)
        {
            return unmet;
        }

        var now = DateTimeOffset.FromUnixTimeMilliseconds(time.GetUtcNow().ToUnixTimeMilliseconds());
        var row = new ResourceRow<JsonElement>(current?.Id ?? Ids.New("ace", time), slug, (current?.Version ?? 0) + 1, current?.Created ?? now, now, spec);
        try
        {
            return await audit.RecordWithAsync(WriteOf(workspaceId, row), row.Id, about with { WorkspaceId = workspaceId, Target = row.Id }, static () => { }, cancellation)
                ? new Put<JsonElement>(row, current is null)
                : new Refusal(RefusalReason.PreconditionFailed, "it was changed at the same moment");
        }
        catch (ConstraintViolationException violation) when (violation.Kind == ConstraintKind.Reference)
        {
            return Access.Missing($"workspace {workspaceId} is gone");
        }
    }

    /// <returns>Its id; or NotFound, PreconditionFailed, PreconditionRequired.</returns>
    public async Task<Outcome<string>> DeleteAsync(string workspaceId, string slug, Precondition precondition, AuditEvent about, CancellationToken cancellation)
    {
        if (await FindAsync(workspaceId, slug, cancellation) is not { } current)
        {
            return Access.Missing($"no access entries {slug} in {workspaceId}");
        }

        if (precondition.Check(current.ETag) is { } unmet)
        {
            return unmet;
        }

        return await audit.RecordWithAsync(
            $"delete from access_entries where id = {current.Id} and version = {current.Version}", current.Id, about with { WorkspaceId = workspaceId, Target = current.Id },
            static () => { }, cancellation)
            ? current.Id
            : new Refusal(RefusalReason.PreconditionFailed, "it was changed at the same moment");
    }

    /// <summary>One statement for both cases: whoever comes second finds another version, or another id, and changes nothing.</summary>
    private static Sql WriteOf(string workspaceId, ResourceRow<JsonElement> row) =>
        $"""
        insert into access_entries (id, workspace, slug, spec, version, created_at, updated_at)
        values ({row.Id}, {workspaceId}, {row.Slug}, {row.Spec.GetRawText()}, {row.Version}, {row.Created}, {row.Updated})
        on conflict (workspace, slug) do update set spec = excluded.spec, version = excluded.version, updated_at = excluded.updated_at
        where access_entries.id = excluded.id and access_entries.version = excluded.version - 1
        """;

    private static ResourceRow<JsonElement> Read(DbDataReader row)
    {
        using var spec = JsonDocument.Parse(row.GetString(5));
        return new(row.GetString(0), row.GetString(1), row.GetInt64(2), row.GetTime(3), row.GetTime(4), spec.RootElement.Clone());
    }
}
