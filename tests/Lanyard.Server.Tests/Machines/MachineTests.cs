using System.Net;
using System.Text.Json;
using Lanyard.Identity.Jose;
using Lanyard.Server.Http;
using Lanyard.Server.Machines;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Machines;

[Line("4.1")]
public sealed class SqliteMachineTests() : MachineTests(DatabaseKind.Sqlite);

[Line("4.1")]
[Needs("postgres")]
public sealed class PostgresMachineTests() : MachineTests(DatabaseKind.Postgres);

public abstract class MachineTests(DatabaseKind kind) : IAsyncLifetime
{
    private const string Path = "/v1/workspaces/acme/machines";
    private readonly ManualTime _time = new(DateTimeOffset.FromUnixTimeSeconds(1_900_000_000));
    private TestServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await TestServer.StartAsync(kind, time: _time);
        await _server.MakeWorkspaceAsync("acme");
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null) await _server.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task A_machine_has_a_token_of_its_own_with_what_the_cache_s_clients_read_in_it()
    {
        var answer = await PostAsync("""{"lifetimeSeconds":600,"repository":"Demo/App","ref":"refs/pull/7/merge","baseRef":"refs/heads/dev","defaultRef":"refs/heads/main"}""");

        Assert.Equal(HttpStatusCode.Created, answer.Status);
        Assert.True(answer.Headers.CacheControl?.NoStore);
        var machine = answer.Json.GetProperty("machine");
        var parts = answer.Json.GetProperty("token").GetString()!.Split('.');
        var (header, claims) = (Decode(parts[0]), Decode(parts[1]));
        Assert.Equal(("at+jwt", "ES256"), (header.GetProperty("typ").GetString(), header.GetProperty("alg").GetString()));
        Assert.Equal(machine.GetProperty("id").GetString(), claims.GetProperty("sub").GetString());
        Assert.Equal(TestServer.SomeUrl + "/runtime", claims.GetProperty("aud").GetString());
        Assert.Equal(_time.GetUtcNow().ToUnixTimeSeconds() + 600, claims.GetProperty("exp").GetInt64());
        Assert.Equal(_time.GetUtcNow().ToUnixTimeSeconds(), claims.GetProperty("nbf").GetInt64());
        Assert.Equal(
            """[{"Scope":"refs/pull/7/merge","Permission":3},{"Scope":"refs/heads/dev","Permission":1},{"Scope":"refs/heads/main","Permission":1}]""",
            claims.GetProperty("ac").GetString());
        Assert.Equal(3, claims.GetProperty("scp").GetString()!.Split(':').Length);
        Assert.Equal("demo/app", machine.GetProperty("repository").GetString());
    }

    [Fact]
    public async Task Its_token_is_nowhere_but_in_the_answer()
    {
        var created = await PostAsync("""{"repository":"demo/app","ref":"refs/heads/main"}""");
        var token = created.Json.GetProperty("token").GetString()!;

        var shown = await _server.GetAsync($"{Path}/{IdOf(created)}");
        var listed = await _server.GetAsync(Path);
        var audit = await _server.GetAsync("/v1/workspaces/acme/audit");

        Assert.Equal(shown.Body, listed.Json.GetProperty("items")[0].GetRawText());
        Assert.All([shown, listed, audit], answer => Assert.DoesNotContain(token.Split('.')[2], answer.Body, StringComparison.Ordinal));
        Assert.Contains("machine.create", audit.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_deleted_machine_is_dead_at_once_and_an_expired_one_on_time()
    {
        var directory = _server.Services.GetRequiredService<MachineDirectory>();
        var (deleted, expiring) = (IdOf(await PostAsync("{}")), IdOf(await PostAsync("""{"lifetimeSeconds":60}""")));
        Assert.NotNull(await directory.FindAliveAsync(deleted, CancellationToken.None));
        Assert.NotNull(await directory.FindAliveAsync(expiring, CancellationToken.None));

        Assert.Equal(HttpStatusCode.NoContent, (await _server.DeleteAsync($"{Path}/{deleted}")).Status);
        Assert.Null(await directory.FindAliveAsync(deleted, CancellationToken.None));
        Assert.Equal(HttpStatusCode.NotFound, (await _server.DeleteAsync($"{Path}/{deleted}")).Status);
        Assert.NotNull(await directory.FindAliveAsync(expiring, CancellationToken.None));

        _time.Advance(TimeSpan.FromSeconds(60));
        Assert.Null(await directory.FindAliveAsync(expiring, CancellationToken.None));
        Assert.Empty((await _server.GetAsync(Path)).Json.GetProperty("items").EnumerateArray());
    }

    [Fact]
    public async Task What_another_replica_ended_without_a_word_is_dead_here_within_a_second()
    {
        var directory = _server.Services.GetRequiredService<MachineDirectory>();
        var id = IdOf(await PostAsync("{}"));
        Assert.NotNull(await directory.FindAliveAsync(id, CancellationToken.None));

        await _server.Database.ExecuteAsync($"update machines set ended = {_time.GetUtcNow()} where id = {id}");
        _time.Advance(MachineDirectory.Recheck);

        Assert.Null(await directory.FindAliveAsync(id, CancellationToken.None));
    }

    [Fact]
    public async Task Every_mistake_is_told_at_once_and_nothing_is_made()
    {
        var answer = await PostAsync(
            """
            {"lifetimeSeconds":59,"runner":"Not a slug","repository":"a/b/c","ref":"main","baseRef":"refs/with blank","defaultRef":"","cacheMode":"all",
             "scopes":[{"scope":"","permission":"own"}]}
            """);

        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Equal(
            ["lifetimeSeconds", "runner", "repository", "ref", "baseRef", "defaultRef", "cacheMode", "scopes[0].scope", "scopes[0].permission", "scopes"],
            answer.Mistakes.Select(mistake => mistake[..mistake.IndexOf(':', StringComparison.Ordinal)]));
        Assert.Equal(0, await _server.Database.ScalarAsync($"select count(*) from machines"));
    }

    [Theory]
    [InlineData("""{"lifetimeSeconds":86401}""")]
    [InlineData("""{"lifetimeSeconds":"60"}""")]
    [InlineData("""{"ref":"refs/heads/main"}""")]
    [InlineData("""{"unknown":1}""")]
    [InlineData("[]")]
    [InlineData("""{"repository":"a/b","scopes":[{"scope":"1","permission":"read"},{"scope":"2","permission":"read"},{"scope":"3","permission":"read"},{"scope":"4","permission":"read"},{"scope":"5","permission":"read"},{"scope":"6","permission":"read"},{"scope":"7","permission":"read"},{"scope":"8","permission":"read"},{"scope":"9","permission":"read"},{"scope":"10","permission":"read"},{"scope":"11","permission":"read"},{"scope":"12","permission":"read"},{"scope":"13","permission":"read"},{"scope":"14","permission":"read"},{"scope":"15","permission":"read"},{"scope":"16","permission":"read"},{"scope":"17","permission":"read"}]}""")]
    public async Task A_request_of_another_form_is_refused(string body) => Assert.Equal(HttpStatusCode.BadRequest, (await PostAsync(body)).Status);

    [Fact]
    public async Task A_viewer_sees_machines_and_neither_makes_nor_ends_them()
    {
        var workspace = (await _server.GetAsync("/v1/workspaces/acme")).Json.GetProperty("id").GetString();
        _server.Be("viewer", new RoleBinding(new Scope(workspace, null), Role.Viewer));
        var id = IdOf(await PostAsync("{}"));

        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync($"{Path}/{id}", "viewer")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.SendAsync(HttpMethod.Post, Path, "viewer", "{}")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.DeleteAsync($"{Path}/{id}", "viewer")).Status);
    }

    private Task<Answer> PostAsync(string body) => _server.SendAsync(HttpMethod.Post, Path, "admin", body);

    private static string IdOf(Answer answer) => answer.Json.GetProperty("machine").GetProperty("id").GetString()!;

    private static JsonElement Decode(string part) => JsonDocument.Parse(Base64Url.Decode(part)!).RootElement;
}
