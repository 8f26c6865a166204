using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Protocol.Audit;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Server.Tests.Audit;

[Line("2.12")]
public sealed class SqliteAuditLogTests() : AuditLogContract(DatabaseKind.Sqlite);

[Line("2.12")]
[Needs("postgres")]
public sealed class PostgresAuditLogTests() : AuditLogContract(DatabaseKind.Postgres);

/// <summary>The chain: appended, intact, and every way of touching it shows.</summary>
public abstract class AuditLogContract(DatabaseKind kind) : IAsyncLifetime
{
    private TestDatabase _test = null!;
    private AuditLog _log = null!;

    private Database Database => _test.Database;

    public async ValueTask InitializeAsync()
    {
        _test = await TestDatabase.CreateAsync(kind);
        _log = NewLog();
    }

    public async ValueTask DisposeAsync()
    {
        if (_log is not null)
        {
            await _test.DisposeAsync();
        }

        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Parallel_events_form_one_chain_without_gaps_in_the_order_of_their_ids()
    {
        await Task.WhenAll(Enumerable.Range(0, 500).Select(i => Task.Run(() => _log.RecordAsync(new AuditEvent("test") { Target = $"t{i}" }))));

        var report = await VerifyAsync(_log.Head);
        var rows = await AuditStore.ChainAsync(Database, _log.Head!.Chain, 0, 1000);
        Assert.True(report.Intact);
        Assert.Equal(501, report.Events);
        Assert.Equal(rows.Select(row => row.Id).Order(StringComparer.Ordinal), rows.Select(row => row.Id));
        Assert.Equal(500, rows.Where(row => row.Action == "test").Select(row => row.Event).Distinct().Count());
    }

    [Fact]
    public async Task An_event_says_who_asked_for_what_and_why_it_was_refused_and_holds_no_redacted_claim()
    {
        var principal = new Principal
        {
            Kind = PrincipalKind.Policy,
            Name = "policy:demo/ci",
            Policies = ["pol_1"],
            TrustRecord = "ti_1",
            Evidence = ["sub = repo:acme/app"],
            TokenSha256 = "ab",
            ExpiresAt = DateTimeOffset.MaxValue,
        };

        var id = await _log.RecordAsync(new AuditEvent("token.exchange")
        {
            Principal = principal,
            Refusal = new Refusal(RefusalReason.NoMatchingPolicy, "nothing matched"),
            RequestId = "req_1",
            ClaimsJson = """{"sub":"repo:acme/app","email":"ada@example.org"}""",
        });

        var row = await AuditStore.FindAsync(Database, id);
        var body = JsonSerializer.Deserialize(row!.Event, AuditJson.Default.AuditEventBody)!;
        Assert.Equal(("token.exchange", "refused", "policy", "no-matching-policy"), (body.Action, body.Decision, body.Stage, body.Reason));
        Assert.Equal(("policy:demo/ci", "pol_1", "ti_1", "ab", "req_1"), (body.Principal, body.Policy, body.TrustRecord, body.TokenSha256, body.RequestId));
        Assert.Equal("repo:acme/app", body.Claims!.Value.GetProperty("sub").GetString());
        Assert.DoesNotContain("ada@example.org", row.Event, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_restart_begins_a_chain_that_names_the_end_of_the_one_before()
    {
        await FillAsync(3);
        var first = _log.Head!;
        _log = NewLog();
        await FillAsync(2);

        Assert.NotEqual(first.Chain, _log.Head!.Chain);
        Assert.True((await VerifyAsync(_log.Head)).Intact);

        await Database.ExecuteAsync($"delete from audit_events where chain = {first.Chain} and seq = {first.Sequence}");

        Assert.Contains($"had reached {first.Sequence}", Fault(await VerifyAsync(_log.Head)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_whole_chain_that_was_taken_away_shows()
    {
        await FillAsync(3);
        var first = _log.Head!;
        _log = NewLog();
        await FillAsync(1);

        await Database.ExecuteAsync($"delete from audit_checkpoints where chain = {first.Chain}");
        await Database.ExecuteAsync($"delete from audit_events where chain = {first.Chain}");
        await Database.ExecuteAsync($"delete from audit_chains where id = {first.Chain}");

        Assert.Contains("it is gone", Fault(await VerifyAsync(_log.Head)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("changed")]
    [InlineData("column")]
    [InlineData("removed")]
    [InlineData("rehashed")]
    [InlineData("cut")]
    public async Task Whoever_touches_an_event_is_seen(string how)
    {
        await FillAsync(30);
        var head = _log.Head!;
        Assert.True((await VerifyAsync(head)).Intact);

        await TouchAsync(how, head);

        var report = await VerifyAsync(head);
        Assert.False(report.Intact);
        Assert.NotEmpty(Fault(report));
    }

    [Fact]
    public async Task A_chain_cut_behind_its_last_checkpoint_shows_without_the_process_that_wrote_it()
    {
        await FillAsync(30);

        await Database.ExecuteAsync($"delete from audit_events where seq >= {15}");

        Assert.Contains("it ends at 14", Fault(await VerifyAsync(null)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_event_that_can_not_be_stored_throws_and_the_next_one_begins_a_new_chain()
    {
        await FillAsync(1);
        var before = _log.Head!;

        await Database.ExecuteAsync($"alter table audit_events rename to hidden");
        await Assert.ThrowsAnyAsync<Exception>(() => _log.RecordAsync(new AuditEvent("lost")));
        await Database.ExecuteAsync($"alter table hidden rename to audit_events");
        await FillAsync(1);

        Assert.NotEqual(before.Chain, _log.Head!.Chain);
        Assert.True((await VerifyAsync(_log.Head)).Intact);
        Assert.Equal(0, await Database.ScalarAsync($"select count(*) from audit_events where action = {"lost"}"));
    }

    private async Task TouchAsync(string how, ChainHead head)
    {
        var row = (await AuditStore.ChainAsync(Database, head.Chain, 4, 1))[0];
        switch (how)
        {
            case "changed":
                await Database.ExecuteAsync($"update audit_events set event = {row.Event.Replace("test", "tset", StringComparison.Ordinal)} where seq = {5}");
                break;
            case "column":
                await Database.ExecuteAsync($"update audit_events set workspace = {"ws_other"} where seq = {5}");
                break;
            case "removed":
                await Database.ExecuteAsync($"delete from audit_events where seq = {5}");
                break;
            case "rehashed":
                await RehashAsync(head, row);
                break;
            default:
                await Database.ExecuteAsync($"delete from audit_events where seq = {head.Sequence}");
                break;
        }
    }

    /// <summary>A patient intruder: changes one event and all hashes behind it.</summary>
    private async Task RehashAsync(ChainHead head, AuditRow from)
    {
        var previous = from.PreviousHash;
        foreach (var row in await AuditStore.ChainAsync(Database, head.Chain, from.Sequence - 1, 1000))
        {
            var text = row.Sequence == from.Sequence ? row.Event.Replace("test", "tset", StringComparison.Ordinal) : row.Event;
            var hash = AuditChain.Hash(previous, row.Chain, row.Sequence, text);
            await Database.ExecuteAsync(
                $"update audit_events set event = {text}, previous_hash = {previous}, hash = {hash} where chain = {row.Chain} and seq = {row.Sequence}");
            previous = hash;
        }
    }

    private AuditLog NewLog() =>
        new(Database, new AuditOptions { CheckpointEvery = 10 }, TimeProvider.System, NullLogger<AuditLog>.Instance);

    private async Task FillAsync(int count)
    {
        for (var i = 0; i < count; i++)
        {
            await _log.RecordAsync(new AuditEvent("test") { Target = $"t{i}", WorkspaceId = "ws_1" });
        }
    }

    private Task<AuditReport> VerifyAsync(ChainHead? running) =>
        new AuditVerifier(Database).VerifyAsync(running, TestContext.Current.CancellationToken);

    private static string Fault(AuditReport report) => report.Chains.Select(chain => chain.Fault).OfType<string>().FirstOrDefault() ?? "";
}
