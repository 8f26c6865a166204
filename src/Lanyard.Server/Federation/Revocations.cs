using System.Data.Common;
using System.Text.Json.Nodes;
using Lanyard.Identity;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Federation;

/// <summary>
/// What is not taken any more although policies and issuers stand: a principal, a key of an issuer, a single token. A change makes every replica forget what it had
/// judged, so that it holds within a second everywhere and costs nothing where a token is remembered.
/// </summary>
internal sealed class Revocations : IDisposable
{
    public const string Principal = "principal";
    public const string Key = "key";
    public const string Token = "token";

    private readonly Database _database;
    private readonly AuditLog _audit;
    private readonly TrustRecordStore _trust;
    private readonly TimeProvider _time;
    private readonly Reloadable<RevocationSet> _set;

    public Revocations(Database database, AuditLog audit, TrustRecordStore trust, TimeProvider time)
    {
        (_database, _audit, _trust, _time) = (database, audit, trust, time);
        _set = new Reloadable<RevocationSet>(async cancellation => new RevocationSet(await ListAsync(cancellation), time));
    }

    public ValueTask<RevocationSet> GetAsync(CancellationToken cancellation) => _set.GetAsync(cancellation);

    public void Forget() => _set.Forget();

    public void Dispose() => _set.Dispose();

    public Task<List<Revocation>> ListAsync(CancellationToken cancellation) => _database.QueryAsync(
        $"select id, workspace, kind, value, reason, created_at, until from revocations order by created_at, id", Read, cancellation);

    public async Task<Revocation> AddAsync(string? workspaceId, RevocationRequest request, AuditEvent about, CancellationToken cancellation)
    {
        var now = DateTimeOffset.FromUnixTimeMilliseconds(_time.GetUtcNow().ToUnixTimeMilliseconds());
        var added = new Revocation(Ids.New("rev", _time), workspaceId, request.Kind, request.Value, request.Reason, now, request.Until);
        await _audit.RecordWithAsync(
            $"""
            insert into revocations (id, workspace, kind, value, reason, created_at, until)
            values ({added.Id}, {added.WorkspaceId}, {added.Kind}, {added.Value}, {added.Reason}, {added.CreatedAt}, {added.Until})
            """,
            added.Id,
            about with { WorkspaceId = workspaceId, Target = added.Id, Details = new Dictionary<string, string> { ["kind"] = added.Kind, ["value"] = added.Value } },
            _trust.Changed,
            cancellation);
        return added;
    }

    /// <returns>False: there is none of that id in that place.</returns>
    public Task<bool> RemoveAsync(string? workspaceId, string id, AuditEvent about, CancellationToken cancellation) => _audit.RecordWithAsync(
        $"delete from revocations where id = {id} and coalesce(workspace, '') = {workspaceId ?? ""}", id, about with { WorkspaceId = workspaceId, Target = id }, _trust.Changed, cancellation);

    /// <summary>Drops what is over.</summary>
    public Task SweepAsync(CancellationToken cancellation) => _database.ExecuteAsync($"delete from revocations where until <= {_time.GetUtcNow()}", cancellation);

    private static Revocation Read(DbDataReader row) => new(
        row.GetString(0), row.GetStringOrNull(1), row.GetString(2), row.GetString(3), row.GetStringOrNull(4), row.GetTime(5), row.IsDBNull(6) ? null : row.GetTime(6));
}

/// <param name="WorkspaceId">Null: everywhere.</param>
internal sealed record Revocation(string Id, string? WorkspaceId, string Kind, string Value, string? Reason, DateTimeOffset CreatedAt, DateTimeOffset? Until)
{
    public RevocationView View => new(Id, Kind, Value, CreatedAt, Reason, Until);
}

/// <summary>All that is revoked, for the door; most installations have none.</summary>
internal sealed class RevocationSet(IReadOnlyList<Revocation> all, TimeProvider time)
{
    private readonly ILookup<(string Kind, string Value), Revocation> _all = all.ToLookup(static one => (one.Kind, one.Value));

    public bool IsEmpty { get; } = all.Count == 0;

    /// <summary>What ends the token somewhere: itself, in either spelling, or the key that signed it. It is looked for once, and then asked about each place.</summary>
    public TokenRevocations Of(VerifiedToken token) => IsEmpty ? default : new(
        this,
        [
            .. _all[(Revocations.Token, token.Sha256.ToString())],
            .. token.TwinSha256 is { } twin ? _all[(Revocations.Token, twin.ToString())] : [],
            .. _all[(Revocations.Key, token.KeyId)],
        ]);

    /// <summary>What was made of a token goes with the token, and with the key that signed it.</summary>
    /// <param name="origin">As <see cref="TokenLine"/> has it.</param>
    /// <param name="workspaceId">Of the trust record that vouched, or of the policy that gives; null: the instance's.</param>
    public Refusal? RefusesOrigin(IReadOnlyList<string> origin, string? workspaceId)
    {
        if (IsEmpty) return null;
        foreach (var one in origin)
            if (one.Split(' ', 2) is [var kind, var value] && Find(kind, value, workspaceId) is { } ended) return ended;
        return null;
    }

    /// <param name="workspaceId">Of the policy, runner or key that makes it this principal.</param>
    public Refusal? RefusesPrincipal(string? workspaceId, string name) => IsEmpty ? null : Find(Revocations.Principal, name, workspaceId);

    /// <summary>Whoever acts for a subject holds the token too: a revoked actor has nothing of it either.</summary>
    /// <param name="acting">The claim <c>act</c>, with the earlier ones inside; null: nobody acts.</param>
    /// <param name="workspaceId">The subject's.</param>
    public Refusal? RefusesActors(string? acting, string? workspaceId)
    {
        if (IsEmpty || acting is null) return null;
        for (var actor = JsonNode.Parse(acting) as JsonObject; actor is not null; actor = actor["act"] as JsonObject)
            if (actor["sub"] is JsonValue value && value.TryGetValue<string>(out var name) && RefusesPrincipal(workspaceId, name) is { } gone) return gone;
        return null;
    }

    private Refusal? Find(string kind, string value, string? workspaceId) => First(_all[(kind, value)], workspaceId);

    /// <summary>The first of them that holds there now.</summary>
    internal Refusal? First(IEnumerable<Revocation> some, string? workspaceId)
    {
        var now = time.GetUtcNow();
        return some.FirstOrDefault(one => (one.WorkspaceId is null || one.WorkspaceId == workspaceId) && (one.Until is null || one.Until > now)) is { } revoked
            ? new Refusal(RefusalReason.Revoked, $"{revoked.Kind} {revoked.Value} was revoked ({revoked.Id}{(revoked.Reason is null ? "" : $": {revoked.Reason}")})")
            : null;
    }
}

/// <summary>Those that name one token, or the key that signed it.</summary>
internal readonly struct TokenRevocations(RevocationSet set, IReadOnlyList<Revocation> found)
{
    /// <param name="workspaceId">Of the trust record that vouches, or of the policy that gives; null: the instance's.</param>
    public Refusal? In(string? workspaceId) => found is null or { Count: 0 } ? null : set.First(found, workspaceId);
}
