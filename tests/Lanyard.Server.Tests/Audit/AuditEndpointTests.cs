using System.Net;
using System.Text.Json;
using Lanyard.Protocol.Audit;
using Lanyard.Server.Http;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Audit;

[Line("2.12")]
public sealed class AuditEndpointTests : IAsyncLifetime
{
    private TestServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await TestServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task A_change_is_in_the_audit_when_its_answer_arrives()
    {
        var made = await _server.PutAsync("/v1/workspaces/acme", """{"spec":{}}""");

        var last = (await Events("/v1/audit?limit=1"))[0];

        Assert.Equal(("workspace.put", "allowed", "admin"), (last.Action, last.Decision, last.Principal));
        Assert.Equal(made.Json.GetProperty("id").GetString(), last.Target);
        Assert.Equal(made.Headers.GetValues("X-Request-Id").Single(), last.RequestId);
    }

    [Fact]
    public async Task A_foreign_access_is_in_the_audit_with_what_was_tried()
    {
        await _server.MakeWorkspaceAsync("acme");
        _server.Be("stranger");

        await _server.GetAsync("/v1/workspaces/acme", "stranger");

        var last = (await Events("/v1/audit?limit=1"))[0];
        Assert.Equal(("request", "refused", "stranger", "not-found"), (last.Action, last.Decision, last.Principal, last.Reason));
        Assert.Equal("GET /v1/workspaces/acme", last.Target);
    }

    [Fact]
    public async Task A_malformed_change_makes_no_event()
    {
        await _server.MakeWorkspaceAsync("acme");
        var before = await _server.Database.ScalarAsync($"select count(*) from audit_events");

        await _server.PutAsync("/v1/workspaces/acme", """{"spec":1}""", ifMatch: "*");

        Assert.Equal(before, await _server.Database.ScalarAsync($"select count(*) from audit_events"));
    }

    [Fact]
    public async Task The_admin_of_a_workspace_sees_its_events_and_no_others()
    {
        var acme = await _server.MakeWorkspaceAsync("acme");
        await _server.MakeWorkspaceAsync("other");
        await _server.MakeCollectionAsync("acme", "infra");
        _server.Be("owner", new RoleBinding(new Scope(acme, null), Role.Admin));

        var events = await Events("/v1/workspaces/acme/audit", "owner");

        Assert.Equal(["workspace.put", "collection.put"], events.Select(body => body.Action));
        Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync("/v1/audit", "owner")).Status);
    }

    [Fact]
    public async Task Filters_and_pages_give_every_event_once()
    {
        await _server.MakeWorkspaceAsync("acme");
        for (var i = 0; i < 25; i++)
        {
            await _server.MakeCollectionAsync("acme", $"c{i}");
        }

        var seen = new List<string>();
        var after = EventIdBeforeAll;
        while (true)
        {
            var page = await _server.GetAsync($"/v1/audit?action=collection.put&limit=10&after={after}");
            var lines = page.Body.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            if (lines.Length == 0)
            {
                break;
            }

            seen.AddRange(lines.Select(line => Body(line).Target!));
            after = page.Headers.GetValues("Lanyard-Next").Single();
        }

        Assert.Equal(25, seen.Count);
        Assert.Equal(25, seen.Distinct().Count());
    }

    [Fact]
    public async Task A_follower_hears_of_an_event_that_comes_while_it_waits()
    {
        await _server.MakeWorkspaceAsync("acme");
        var after = (await _server.GetAsync("/v1/audit?limit=1")).Headers.GetValues("Lanyard-Next").Single();

        var following = _server.GetAsync($"/v1/audit?after={after}&wait=50");
        await _server.MakeCollectionAsync("acme", "infra");
        var heard = await following.WaitAsync(TimeSpan.FromSeconds(40), TimeProvider.System, TestContext.Current.CancellationToken);

        Assert.Equal("collection.put", Body(heard.Body.TrimEnd('\n')).Action);
    }

    [Fact]
    public async Task A_line_can_be_checked_by_whoever_has_it()
    {
        await _server.MakeWorkspaceAsync("acme");

        var lines = (await _server.GetAsync("/v1/audit")).Body.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonSerializer.Deserialize(line, AuditJson.Default.AuditLine)!).ToList();

        Assert.Equal(AuditChain.Genesis(lines[0].Chain), lines[0].PreviousHash);
        Assert.All(lines, line => Assert.Equal(line.Hash, AuditChain.Hash(line.PreviousHash, line.Chain, line.Sequence, line.Event.GetRawText())));
    }

    [Fact]
    public async Task The_check_says_that_the_chain_is_whole_and_says_when_it_is_not()
    {
        await _server.MakeWorkspaceAsync("acme");
        var whole = await _server.GetAsync("/v1/audit/verify");

        await _server.Database.ExecuteAsync($"update audit_events set principal = {"somebody"} where action = {"workspace.put"}");
        var broken = await _server.GetAsync("/v1/audit/verify");

        Assert.True(whole.Json.GetProperty("intact").GetBoolean());
        Assert.False(broken.Json.GetProperty("intact").GetBoolean());
    }

    [Fact]
    public async Task One_event_is_found_by_its_id()
    {
        await _server.MakeWorkspaceAsync("acme");
        var id = (await Events("/v1/audit?limit=1"))[0].Id;

        Assert.Equal(id, Body((await _server.GetAsync($"/v1/audit/{id}")).Body).Id);
        Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync("/v1/audit/evt_nothing")).Status);
    }

    [Theory]
    [InlineData("limit=0")]
    [InlineData("wait=51")]
    [InlineData("since=yesterday")]
    [InlineData("after=1")]
    [InlineData("colour=red")]
    public async Task A_question_that_is_not_understood_is_refused(string query) =>
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.GetAsync($"/v1/audit?{query}")).Status);

    private static string EventIdBeforeAll => Ids.FromUuid("evt", Guid.Empty);

    private async Task<List<AuditEventBody>> Events(string path, string principal = "admin") =>
        [.. (await _server.GetAsync(path, principal)).Body.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Body)];

    private static AuditEventBody Body(string line) =>
        JsonSerializer.Deserialize(line, AuditJson.Default.AuditLine)!.Event.Deserialize(AuditJson.Default.AuditEventBody)!;
}
