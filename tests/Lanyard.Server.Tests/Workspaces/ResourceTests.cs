using System.Net;
using Lanyard.Server.Http;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Workspaces;

[Line("2.6")]
public sealed class SqliteResourceTests() : ResourceTests(DatabaseKind.Sqlite);

[Line("2.6")]
[Needs("postgres")]
public sealed class PostgresResourceTests() : ResourceTests(DatabaseKind.Postgres);

/// <summary>Workspaces and collections as resources: envelope, preconditions, slugs, paging.</summary>
public abstract class ResourceTests(DatabaseKind kind) : IAsyncLifetime
{
    private TestServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await TestServer.StartAsync(kind);

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task A_workspace_is_created_by_its_slug_and_read_back_with_id_etag_and_issuer()
    {
        var made = await _server.PutAsync("/v1/workspaces/acme", """{"spec":{"displayName":"Acme"}}""");
        var read = await _server.GetAsync("/v1/workspaces/acme");

        Assert.Equal(HttpStatusCode.Created, made.Status);
        Assert.Equal(made.Body, read.Body);
        Assert.True(Ids.TryParse(read.Json.GetProperty("id").GetString(), "ws", out _));
        Assert.Equal("Acme", read.Json.GetProperty("spec").GetProperty("displayName").GetString());
        Assert.Equal(TestServer.SomeUrl + "/oidc/acme", read.Json.GetProperty("status").GetProperty("issuer").GetString());
        Assert.Equal(read.ETag, read.Json.GetProperty("etag").GetString());
    }

    [Fact]
    public async Task Changing_what_exists_needs_the_etag_of_the_version_that_was_read()
    {
        var first = (await _server.PutAsync("/v1/workspaces/acme", """{"spec":{}}""")).ETag;

        var blind = await _server.PutAsync("/v1/workspaces/acme", """{"spec":{"displayName":"b"}}""");
        var good = await _server.PutAsync("/v1/workspaces/acme", """{"spec":{"displayName":"c"}}""", ifMatch: first);
        var stale = await _server.PutAsync("/v1/workspaces/acme", """{"spec":{"displayName":"d"}}""", ifMatch: first);
        var missing = await _server.PutAsync("/v1/workspaces/other", """{"spec":{}}""", ifMatch: first);

        Assert.Equal((HttpStatusCode)428, blind.Status);
        Assert.Equal(HttpStatusCode.OK, good.Status);
        Assert.Equal(HttpStatusCode.PreconditionFailed, stale.Status);
        Assert.Equal(HttpStatusCode.PreconditionFailed, missing.Status);
        Assert.Equal("c", (await _server.GetAsync("/v1/workspaces/acme")).Json.GetProperty("spec").GetProperty("displayName").GetString());
    }

    [Fact]
    public async Task Of_many_who_change_the_same_version_one_wins()
    {
        var etag = (await _server.PutAsync("/v1/workspaces/acme", """{"spec":{}}""")).ETag;

        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(
            i => _server.PutAsync("/v1/workspaces/acme", $$$"""{"spec":{"displayName":"{{{i}}}"}}""", ifMatch: etag)));

        Assert.Single(answers, answer => answer.Status == HttpStatusCode.OK);
        Assert.Equal(19, answers.Count(answer => answer.Status == HttpStatusCode.PreconditionFailed));
    }

    [Fact]
    public async Task Of_many_who_create_the_same_slug_one_creates()
    {
        await _server.MakeWorkspaceAsync("acme");

        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => _server.PutAsync("/v1/workspaces/acme/collections/infra", """{"spec":{}}""")));

        Assert.Single(answers, answer => answer.Status == HttpStatusCode.Created);
        Assert.All(answers, answer => Assert.True((int)answer.Status is 201 or 412 or 428, answer.Body));
    }

    [Fact]
    public async Task A_get_can_be_sent_back_whole_but_not_to_another_path()
    {
        await _server.MakeWorkspaceAsync("acme");
        await _server.MakeWorkspaceAsync("other");
        var read = await _server.GetAsync("/v1/workspaces/acme");

        var back = await _server.PutAsync("/v1/workspaces/acme", read.Body, ifMatch: read.ETag);
        var wrong = await _server.PutAsync("/v1/workspaces/other", read.Body, ifMatch: "*");

        Assert.Equal(HttpStatusCode.OK, back.Status);
        Assert.Equal(["slug: must be that of the path, other"], wrong.Mistakes);
    }

    [Fact]
    public async Task What_holds_something_is_not_deleted()
    {
        await _server.MakeWorkspaceAsync("acme");
        await _server.MakeCollectionAsync("acme", "infra");

        var full = await _server.DeleteAsync("/v1/workspaces/acme");
        var inner = await _server.DeleteAsync("/v1/workspaces/acme/collections/infra");
        var empty = await _server.DeleteAsync("/v1/workspaces/acme");

        Assert.Equal((HttpStatusCode.Conflict, "conflict"), (full.Status, full.Problem));
        Assert.Contains("collections (infra) still live in it: delete them first", full.Body, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NoContent, inner.Status);
        Assert.Equal(HttpStatusCode.NoContent, empty.Status);
        Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync("/v1/workspaces/acme")).Status);
    }

    [Fact]
    public async Task Whoever_may_delete_a_collection_is_told_what_keeps_it_and_whoever_may_not_is_told_nothing()
    {
        await _server.MakeWorkspaceAsync("acme");
        await _server.MakeCollectionAsync("acme", "infra");
        await _server.PutAsync("/v1/workspaces/acme/collections/infra/definitions/plan", """{"spec":{"steps":[{"name":"a","script":"true"}]}}""");

        var kept = await _server.DeleteAsync("/v1/workspaces/acme/collections/infra");
        var stranger = await _server.DeleteAsync("/v1/workspaces/acme/collections/infra", "nobody");

        Assert.Equal(HttpStatusCode.Conflict, kept.Status);
        Assert.Contains("definitions (plan) still live in it: delete them first", kept.Body, StringComparison.Ordinal);
        Assert.DoesNotContain("definitions", stranger.Body, StringComparison.Ordinal);
        Assert.NotEqual(HttpStatusCode.Conflict, stranger.Status);
    }

    [Fact]
    public async Task The_slug_of_a_deleted_workspace_is_not_given_again()
    {
        await _server.MakeWorkspaceAsync("acme");
        await _server.DeleteAsync("/v1/workspaces/acme");

        var again = await _server.PutAsync("/v1/workspaces/acme", """{"spec":{}}""");

        Assert.Equal(HttpStatusCode.Conflict, again.Status);
        Assert.Contains("belonged to a workspace that was deleted", again.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Deleting_without_an_etag_is_refused()
    {
        await _server.MakeWorkspaceAsync("acme");

        Assert.Equal((HttpStatusCode)428, (await _server.DeleteAsync("/v1/workspaces/acme", ifMatch: null)).Status);
    }

    [Theory]
    [InlineData("Acme")]
    [InlineData("-a")]
    [InlineData("a-")]
    [InlineData("a_b")]
    [InlineData("a.b")]
    [InlineData("%C3%BC")]
    [InlineData("a234567890123456789012345678901234567890123456789012345678901234")]
    public async Task A_slug_of_another_form_is_refused(string slug)
    {
        var answer = await _server.PutAsync($"/v1/workspaces/{slug}", """{"spec":{}}""");

        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Equal([$"slug: {Slug.Rule}"], answer.Mistakes);
    }

    [Fact]
    public async Task A_list_comes_in_pages_that_follow_each_other()
    {
        foreach (var slug in (string[])["d", "a", "c", "b", "e"])
        {
            await _server.MakeWorkspaceAsync(slug);
        }

        var seen = new List<string>();
        string? next = "";
        while (next is not null)
        {
            var page = (await _server.GetAsync($"/v1/workspaces?limit=2&after={next}")).Json;
            seen.AddRange(page.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("slug").GetString()!));
            next = page.TryGetProperty("next", out var cursor) ? cursor.GetString() : null;
        }

        Assert.Equal(["a", "b", "c", "d", "e"], seen);
    }

    [Fact]
    public async Task A_viewer_of_a_workspace_reads_it_and_is_forbidden_to_change_it()
    {
        var id = await _server.MakeWorkspaceAsync("acme");
        _server.Be("viewer", new RoleBinding(new Scope(id, null), Role.Viewer));

        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/v1/workspaces/acme", "viewer")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.PutAsync("/v1/workspaces/acme", """{"spec":{}}""", "viewer", "*")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.DeleteAsync("/v1/workspaces/acme", "viewer")).Status);
    }

    [Fact]
    public async Task A_workspaces_admin_deletes_collections_but_not_the_workspace()
    {
        var id = await _server.MakeWorkspaceAsync("acme");
        _server.Be("owner", new RoleBinding(new Scope(id, null), Role.Admin));

        Assert.Equal(HttpStatusCode.Created, (await _server.PutAsync("/v1/workspaces/acme/collections/infra", """{"spec":{}}""", "owner")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await _server.DeleteAsync("/v1/workspaces/acme/collections/infra", "owner")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.DeleteAsync("/v1/workspaces/acme", "owner")).Status);
    }

    [Fact]
    public async Task Who_has_a_role_in_one_collection_lists_that_one_only()
    {
        var workspace = await _server.MakeWorkspaceAsync("acme");
        var infra = await _server.MakeCollectionAsync("acme", "infra");
        await _server.MakeCollectionAsync("acme", "secret");
        _server.Be("infra", new RoleBinding(new Scope(workspace, infra), Role.Admin));

        var list = await _server.GetAsync("/v1/workspaces/acme/collections", "infra");

        Assert.Equal(["infra"], list.Json.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("slug").GetString()));
        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/v1/workspaces/acme/collections/infra", "infra")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync("/v1/workspaces/acme/collections/secret", "infra")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.DeleteAsync("/v1/workspaces/acme/collections/infra", "infra")).Status);
    }
}
