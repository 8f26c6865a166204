using System.Data.Common;
using System.Net;
using System.Text;
using Lanyard.Server.Audit;
using Lanyard.Server.Federation;
using Lanyard.Server.Storage;
using Lanyard.Server.Tests.Storage;
using Lanyard.Server.Tests.Walls;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Audit;

[Line("2.12")]
public sealed class SqliteChangeAndEventTests() : ChangeAndEventContract(DatabaseKind.Sqlite);

[Line("2.12")]
[Needs("postgres")]
public sealed class PostgresChangeAndEventTests() : ChangeAndEventContract(DatabaseKind.Postgres);

/// <summary>A change and the event that tells of it are on disk together or not at all: a full disk or a kill between the two leaves nothing that nobody can see.</summary>
public abstract class ChangeAndEventContract(DatabaseKind kind) : IAsyncLifetime
{
    /// <summary>What changes are about; the rest is the run protocol's, which has tests of its own, or is written all the time.</summary>
    private static readonly string[] Tables =
    [
        "workspaces", "retired_workspaces", "collections", "definitions", "trust_records", "key_sets", "trust_policies", "revocations", "revoked_tokens", "admin_keys",
        "retired_admin_keys", "access_entries", "machine_identities", "machines", "runners", "runner_collections", "runner_requests", "clusters", "cluster_requests",
        "cache_settings", "cache_entries", "states", "state_locks", "signing_keys", "run_documents", "plans", "runner_sessions", "attempt_pods",
    ];

    /// <summary>
    /// Routes of the document without a row in <see cref="AuditedChange"/>: they decide and change nothing, or are run calls, whose changes <see cref="AuditLog"/> takes along
    /// in <c>RunStore</c>.
    /// </summary>
    private static readonly string[] Elsewhere = ["/explain", "/replay", "/github-tokens", "/runs/{run}/approve", "/runs/{run}/discard", "/runs/{run}/cancel"];

    private WalledWorld _world = null!;

    private Database Database => _world.Server.Database;

    public async ValueTask InitializeAsync() => _world = await WalledWorld.CreateAsync(kind);

    public async ValueTask DisposeAsync()
    {
        if (_world is not null) await _world.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task What_can_not_be_recorded_is_not_done_and_what_is_done_is_recorded_once()
    {
        var wrong = new List<string>();
        foreach (var change in AuditedChange.All)
        {
            var id = await change.Prepare(_world);
            var before = await SnapshotAsync();

            await FullAudit.BreakAsync(Database, kind);
            if (await TryAsync(change, id)) wrong.Add($"{change.Action}, {change.Route}: was done unseen");
            await FullAudit.MendAsync(Database, kind);
            if (before != await SnapshotAsync()) wrong.Add($"{change.Action}, {change.Route}: has left something behind");

            var told = await CountAsync(change.Action);
            if (!await change.MakeAsync(_world, id)) wrong.Add($"{change.Action}, {change.Route}: was not done");
            if (before == await SnapshotAsync()) wrong.Add($"{change.Action}, {change.Route}: has changed nothing");
            var events = await CountAsync(change.Action) - told;
            if (change.Action == "issuer.key" ? events == 0 : events != 1) wrong.Add($"{change.Action}, {change.Route}: {events} events");
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.True((await _world.Server.GetAsync("/v1/audit/verify")).Json.GetProperty("intact").GetBoolean());
    }

    [Fact]
    public void Every_route_that_changes_something_is_tried()
    {
        var tried = AuditedChange.All.Select(static change => change.Route).ToHashSet(StringComparer.Ordinal);
        var forgotten = new RouteTable(_world).Rows.Where(static row => row.Method != "GET" && row.Reach is Reach.Scoped or Reach.Everybody && row.Method != "GET")
            .Select(static row => row.Route).Where(route => !tried.Contains(route) && !Elsewhere.Any(end => route.EndsWith(end, StringComparison.Ordinal)));

        Assert.Empty(forgotten);
    }

    /// <summary>A token that could not be recorded as revoked is taken as before; the next try finds nothing half done in memory either.</summary>
    [Fact]
    public async Task Memory_learns_of_a_change_only_with_its_event()
    {
        var memory = _world.Service<TokenMemory>();
        string[] line = ["jti a"];
        await FullAudit.BreakAsync(Database, kind);
        await Assert.ThrowsAnyAsync<Exception>(() => memory.RevokeAsync("a", TimeProvider.System.GetUtcNow().AddHours(1), new AuditEvent("token.revoke"), TestContext.Current.CancellationToken));
        Assert.False(memory.IsRevoked(line));
        await FullAudit.MendAsync(Database, kind);

        await memory.RevokeAsync("a", TimeProvider.System.GetUtcNow().AddHours(1), new AuditEvent("token.revoke"), TestContext.Current.CancellationToken);

        Assert.True(memory.IsRevoked(line));
    }

    [Fact]
    public async Task Changes_side_by_side_form_one_chain_with_an_event_for_each_version()
    {
        const string path = "/v1/workspaces/acme/trust-policies/deploy";
        const string spec = """{"spec":{"issuer":"ci","claims":{"sub":"repo:acme/app"},"allow":{"roles":["viewer"]}}}""";
        var (told, first) = (await CountAsync("trust-policy.put"), VersionOf(await _world.Server.GetAsync(path)));

        var answers = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => Task.Run(() => i % 3 == 0
            ? _world.Server.SendAsync(HttpMethod.Post, "/v1/revocations", "admin", $$"""{"kind":"principal","value":"policy:{{i}}"}""")
            : _world.Server.PutAsync(path, spec, ifMatch: "*"))));

        Assert.All(answers, static answer => Assert.True(answer.Status is HttpStatusCode.OK or HttpStatusCode.Created or HttpStatusCode.PreconditionFailed, answer.Body));
        var puts = answers.Count(static answer => answer.Status == HttpStatusCode.OK);
        Assert.Equal((puts, puts), (VersionOf(await _world.Server.GetAsync(path)) - first, await CountAsync("trust-policy.put") - told));
        Assert.Equal(20, await CountAsync("revocation.add"));
        Assert.True((await _world.Server.GetAsync("/v1/audit/verify")).Json.GetProperty("intact").GetBoolean());
    }

    private static long VersionOf(Answer answer) => long.Parse(answer.ETag!.Split('.')[^1], System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>What throws was not done.</summary>
    private async Task<bool> TryAsync(AuditedChange change, string id)
    {
        try
        {
            return await change.MakeAsync(_world, id);
        }
        catch (DbException)
        {
            return false;
        }
    }

    private async Task<long> CountAsync(string action) => await Database.ScalarAsync($"select count(*) from audit_events where action = {action}") ?? 0;

    private static string TextOf(DbDataReader row, int column) => row.GetValue(column) is byte[] bytes ? Convert.ToHexString(bytes) : row.GetValue(column).ToString()!;

    private async Task<string> SnapshotAsync()
    {
        var all = new StringBuilder();
        foreach (var table in Tables)
        {
            var rows = await Database.QueryAsync($"select * from {new SqlFragment(table)}", static row => string.Join('|', Enumerable.Range(0, row.FieldCount).Select(column => TextOf(row, column))));
            all.Append(table).Append('\n').AppendJoin('\n', rows.Order(StringComparer.Ordinal)).Append('\n');
        }

        return all.ToString();
    }
}
