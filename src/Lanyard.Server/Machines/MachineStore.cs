using System.Data.Common;
using System.Text.Json;
using System.Text.Json.Serialization;
using Lanyard.Protocol.Runtime;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Machines;

/// <summary>The table of machines. Whoever ends one tells <see cref="MachineDirectory"/> before answering.</summary>
internal sealed class MachineStore(Database database, AuditLog audit)
{
    private static readonly SqlPart Columns = ((Sql)$"id, workspace, runner, repository, ref, scopes, created_by, created, expires, ended, operations, lifetime, last_seen, identity").Part;

    /// <returns>False where the workspace has gone.</returns>
    public async Task<bool> InsertAsync(MachineRecord machine, AuditEvent about, CancellationToken cancellationToken)
    {
        var scopes = JsonSerializer.Serialize([.. machine.Scopes], MachineJson.Default.CacheScopeArray);
        var operations = machine.Operations is null ? null : JsonSerializer.Serialize([.. machine.Operations], MachineJson.Default.KnownOperationArray);
        try
        {
            return await audit.RecordWithAsync(
                $"""
                insert into machines (id, workspace, runner, repository, ref, scopes, created_by, created, expires, operations, lifetime, identity)
                values ({machine.Id}, {machine.WorkspaceId}, {machine.Runner}, {machine.Repository}, {machine.Ref}, {scopes}, {machine.CreatedBy},
                    {machine.CreatedAt}, {machine.ExpiresAt}, {operations}, {machine.LifetimeSeconds}, {machine.Identity})
                """,
                machine.Id,
                about with { WorkspaceId = machine.WorkspaceId, Target = machine.Id },
                static () => { },
                cancellationToken);
        }
        catch (ConstraintViolationException violation) when (violation.Kind == ConstraintKind.Reference)
        {
            return false;
        }
    }

    public Task<MachineRecord?> FindAsync(string id, CancellationToken cancellationToken) =>
        database.QuerySingleOrNullAsync($"select {Columns} from machines where id = {id}", Read, cancellationToken);

    /// <summary>Those that live.</summary>
    public Task<List<MachineRecord>> ListAsync(string workspaceId, Paging paging, DateTimeOffset now) =>
        database.QueryAsync(
            $"""
            select {Columns} from machines where workspace = {workspaceId} and id > {paging.After} and ended is null and expires > {now}
            order by id limit {paging.Limit + 1}
            """,
            Read);

    /// <returns>False when the workspace has no such machine that has not been ended.</returns>
    public Task<bool> EndAsync(string workspaceId, string id, DateTimeOffset now, AuditEvent about, Action ended, CancellationToken cancellationToken) => audit.RecordWithAsync(
        $"update machines set ended = {now} where id = {id} and workspace = {workspaceId} and ended is null",
        id,
        about with { WorkspaceId = workspaceId, Target = id },
        ended,
        cancellationToken);

    /// <returns>False where it does not live any more.</returns>
    public Task<bool> RenewAsync(MachineRecord machine, DateTimeOffset until, DateTimeOffset now, AuditEvent about, Action renewed, CancellationToken cancellationToken) =>
        audit.RecordWithAsync(
            $"update machines set expires = {until} where id = {machine.Id} and ended is null and expires > {now}",
            machine.Id,
            about with { WorkspaceId = machine.WorkspaceId, Target = machine.Id },
            renewed,
            cancellationToken);

    public Task<int> SawAsync(IReadOnlyList<string> ids, DateTimeOffset now, CancellationToken cancellationToken) =>
        database.ExecuteAsync($"update machines set last_seen = {now} where id in ({ids})", cancellationToken);

    /// <summary>Of those whose last lifetime ended before a time. What another replica is taking away is passed over.</summary>
    /// <returns>How many went.</returns>
    public Task<int> RemoveAsync(DateTimeOffset before, int limit, CancellationToken cancellationToken) => database.ExecuteAsync(
        $"delete from machines where expires < {before} and id in (select id from machines where expires < {before} order by expires limit {limit} {database.SkipLocked})", cancellationToken);

    private static MachineRecord Read(DbDataReader row) => new(
        row.GetString(0), row.GetString(1), row.GetStringOrNull(2), row.GetStringOrNull(3), row.GetStringOrNull(4),
        JsonSerializer.Deserialize(row.GetString(5), MachineJson.Default.CacheScopeArray) ?? [], row.GetString(6), row.GetTime(7), row.GetTime(8),
        row.GetTimeOrNull(9), row.GetStringOrNull(10) is { } operations ? JsonSerializer.Deserialize(operations, MachineJson.Default.KnownOperationArray) : null,
        row.GetInt64(11), row.GetInt64(12) is > 0 and var seen ? DateTimeOffset.FromUnixTimeMilliseconds(seen) : null, row.GetStringOrNull(13));
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(CacheScope[]))]
[JsonSerializable(typeof(KnownOperation[]))]
[JsonSerializable(typeof(AccessControlItem[]))]
internal sealed partial class MachineJson : JsonSerializerContext;

/// <summary>An item of the <c>ac</c> claim, in GitHub's spelling.</summary>
/// <param name="Permission">1 read, 2 write.</param>
internal sealed record AccessControlItem(
    [property: JsonPropertyName("Scope")] string Scope, [property: JsonPropertyName("Permission")] int Permission);
