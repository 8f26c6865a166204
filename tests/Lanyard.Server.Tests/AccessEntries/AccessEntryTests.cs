using System.Net;
using Lanyard.Server.Http;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.AccessEntries;

/// <summary>Access entries as a resource of a workspace, which a cluster proxy reads.</summary>
[Line("3.2")]
public sealed class AccessEntryTests : IAsyncLifetime
{
    private const string Path = "/v1/workspaces/acme/access-entries/prod";
    private const string Good = """{"entries":[{"name":"a","issuer":"https://ci.example","claims":{"sub":"x"},"username":"ci:{sub}","groups":["ci:deployers"],"extras":{"example.org/team":"t"}}]}""";

    private TestServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await TestServer.StartWholeAsync();
        Assert.Equal(HttpStatusCode.Created, (await _server.PutAsync("/v1/workspaces/acme", """{"spec":{}}""")).Status);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task A_document_comes_back_as_it_was_given_and_is_replaced_only_by_who_saw_it()
    {
        var made = await PutAsync(Good);
        Assert.Equal(HttpStatusCode.Created, made.Status);
        var etag = made.Json.GetProperty("etag").GetString()!;
        Assert.Equal(Good, (await _server.GetAsync(Path)).Json.GetProperty("spec").GetRawText());

        Assert.Equal(HttpStatusCode.PreconditionRequired, (await PutAsync("""{"entries":[]}""")).Status);
        Assert.Equal(HttpStatusCode.OK, (await PutAsync("""{"entries":[]}""", etag)).Status);
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await PutAsync(Good, etag)).Status);
        Assert.Equal("""{"entries":[]}""", (await _server.GetAsync(Path)).Json.GetProperty("spec").GetRawText());
    }

    [Fact]
    public async Task Every_mistake_is_told_at_once_with_its_place_and_nothing_is_stored()
    {
        var answer = await PutAsync("""
            {"entries":[
              {"name":"a","issuer":"https://ci.example","claims":{},"username":"u"},
              {"name":"a","issuer":"https://ci.example","claims":{"sub":{"globb":"x"}},"username":"u:{sub","uid":7,"groups":"g","extras":{"Plain":"v","example.org/k":[1]},"more":1},
              {"claims":{"sub":"x"},"username":""},
              "text"
            ],"else":1}
            """);

        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        foreach (var place in (string[])
        [
            "spec.else", "spec.entries[0].claims", "spec.entries[1].name", "spec.entries[1].claims.sub", "spec.entries[1].username", "spec.entries[1].uid", "spec.entries[1].groups",
            "spec.entries[1].extras.Plain", "spec.entries[1].extras.example.org/k[0]", "spec.entries[1].more", "spec.entries[2].name", "spec.entries[2].issuer", "spec.entries[2].username",
            "spec.entries[3]",
        ])
        {
            Assert.Contains($"\"{place}\"", answer.Body, StringComparison.Ordinal);
        }

        Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync(Path)).Status);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"entries":{}}""")]
    [InlineData("[]")]
    public async Task A_document_without_a_list_is_refused_because_nobody_is_let_in_only_by_saying_so(string spec) =>
        Assert.Equal(HttpStatusCode.BadRequest, (await PutAsync(spec)).Status);

    [Fact]
    public async Task A_viewer_reads_them_and_changes_nothing()
    {
        var workspace = (await _server.GetAsync("/v1/workspaces/acme")).Json.GetProperty("id").GetString()!;
        _server.Be("viewer", new RoleBinding(new Scope(workspace, null), Role.Viewer));
        await PutAsync(Good);

        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync(Path, "viewer")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.PutAsync(Path, $$"""{"spec":{{Good}}}""", "viewer", "*")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.DeleteAsync(Path, "viewer")).Status);
        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync(Path)).Status);
    }

    [Fact]
    public async Task What_is_deleted_is_gone_and_a_new_one_is_another()
    {
        var first = await PutAsync(Good);
        Assert.Equal(HttpStatusCode.NoContent, (await _server.DeleteAsync(Path)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await _server.DeleteAsync(Path)).Status);

        Assert.NotEqual(first.Json.GetProperty("id").GetString(), (await PutAsync(Good)).Json.GetProperty("id").GetString());
    }

    private Task<Answer> PutAsync(string spec, string? ifMatch = null) => _server.PutAsync(Path, $$"""{"spec":{{spec}}}""", ifMatch: ifMatch);
}
