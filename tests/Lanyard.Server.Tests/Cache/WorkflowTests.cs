using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>Jobs on GitHub's own runners, by the runtime token that GitHub gave them.</summary>
[Line("4.6")]
public sealed class WorkflowTests : IAsyncLifetime
{
    private WorkflowServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await WorkflowServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task A_token_without_subject_iat_and_audience_of_ours_saves_and_restores_in_the_scopes_that_it_names()
    {
        var main = _server.Token();
        await _server.SaveAsync(main, "linux-1");

        Assert.Equal("linux-1", await _server.FindAsync(main, "linux-"));
        Assert.Equal("linux-1", await _server.FindAsync(_server.Token(ac: """[{"Scope":"refs/pull/7/merge","Permission":3},{"Scope":"refs/heads/main","Permission":1}]"""), "linux-1"));
        Assert.Null(await _server.FindAsync(_server.Token(ac: """[{"Scope":"refs/heads/other","Permission":3}]"""), "linux-1"));
        var (_, me) = await _server.Server.GetAsync("/runtime/whoami", main);
        Assert.Equal(("workflow", "demo/app", "refs/heads/main"), (Text(me, "kind"), Text(me, "repository"), Text(me, "ref")));
    }

    [Fact]
    public async Task A_pull_requests_token_can_not_write_what_the_default_branch_reads()
    {
        var pull = _server.Token(ac: """[{"Scope":"refs/pull/7/merge","Permission":3},{"Scope":"refs/heads/main","Permission":1}]""");
        await _server.SaveAsync(pull, "linux-1");

        Assert.Null(await _server.FindAsync(_server.Token(), "linux-1"));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("""[{"Scope":"refs/heads/main","Permission":0}]""")]
    [InlineData("""[{"Scope":"refs/heads/main","Permission":4}]""")]
    public async Task Without_a_scope_to_write_or_read_nothing_is_written_or_read(string ac)
    {
        var token = _server.Token(ac: ac);

        var (status, json) = await _server.ReserveAsync(token, "k");
        Assert.Equal((HttpStatusCode.OK, false), (status, json["ok"]?.GetValue<bool>() ?? false));
        Assert.StartsWith("cache write denied:", Text(json, "message"), StringComparison.Ordinal);
        Assert.Equal("403 permission_denied", await _server.FindAsync(token, "k"));
    }

    [Fact]
    public async Task A_read_only_token_of_an_untrusted_event_reads_and_is_denied_the_write()
    {
        await _server.SaveAsync(_server.Token(), "linux-1");
        var low = _server.Token(ac: """[{"Scope":"refs/heads/main","Permission":1}]""");

        Assert.Equal("linux-1", await _server.FindAsync(low, "linux-1"));
        var (_, json) = await _server.ReserveAsync(low, "linux-2");
        Assert.StartsWith("cache write denied:", Text(json, "message"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_repository_is_known_by_its_id_and_its_workspaces_cache_is_its_own()
    {
        await _server.SaveAsync(_server.Token(), "linux-1");

        // Another workspace calls its repository by the same name.
        Assert.Null(await _server.FindAsync(_server.Token(WorkflowServer.OtherId), "linux-1"));
        Assert.Equal("401 unauthenticated", await _server.FindAsync(_server.Token("999"), "linux-1"));
        Assert.Equal("401 unauthenticated", await _server.FindAsync(_server.Token(change: static claims => claims.Remove("repository_id")), "linux-1"));
        Assert.Equal("401 unauthenticated", await _server.FindAsync(_server.Token(change: static claims => claims["repository_id"] = new JsonArray(WorkflowServer.Id)), "linux-1"));
        Assert.Equal("linux-1", await _server.FindAsync(_server.Token(change: static claims => claims["repository_id"] = 123456), "linux-1"));
    }

    [Fact]
    public async Task A_repository_that_is_taken_off_the_list_is_out_at_once_with_a_token_that_was_good()
    {
        var token = _server.Token();
        await _server.SaveAsync(token, "k");

        await _server.TrustAsync(repositories: """{"777":{"workspace":"other","repository":"demo/app"}}""");

        Assert.Equal("401 unauthenticated", await _server.FindAsync(token, "k"));
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("{}")]
    [InlineData("""[{"Scope":"refs/heads/main"}]""")]
    [InlineData("""[{"Scope":"refs/heads/main","Permission":"3"}]""")]
    [InlineData("""[{"Scope":"","Permission":3}]""")]
    [InlineData("""[{"Scope":"refs/heads/ main","Permission":3}]""")]
    [InlineData("""[{"scope":"refs/heads/main","permission":3}]""")]
    public async Task Scopes_that_can_not_be_read_are_a_refusal_and_no_empty_list(string ac) =>
        Assert.Equal("401 unauthenticated", await _server.FindAsync(_server.Token(ac: ac), "k"));

    [Fact]
    public async Task The_last_of_sixteen_scopes_is_searched_and_a_seventeenth_is_a_refusal_and_not_left_out()
    {
        static string Scopes(int count) =>
            "[" + string.Join(',', Enumerable.Range(1, count).Select(static i => $$"""{"Scope":"refs/heads/s{{i}}","Permission":1}""")) + "]";
        await _server.SaveAsync(_server.Token(ac: """[{"Scope":"refs/heads/s16","Permission":3}]"""), "linux-1");

        Assert.Equal("linux-1", await _server.FindAsync(_server.Token(ac: Scopes(16)), "linux-1"));
        var many = _server.Token(ac: Scopes(17));
        Assert.Equal("401 unauthenticated", await _server.FindAsync(many, "linux-1"));
        Assert.Contains(await _server.Server.AuditAsync("bearer"), static line => line.Contains("ac is no text of at most 16 scopes", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Expired_foreign_and_forged_tokens_are_a_401_in_json()
    {
        await using var stranger = await TestIssuer.StartAsync();
        var good = _server.Token();
        foreach (var token in (string[])
        [
            _server.Token(change: static claims => claims["exp"] = claims["nbf"]!.GetValue<long>() - 120),
            _server.Token(change: static claims => claims.Remove("exp")),
            _server.Token(change: static claims => claims["exp"] = claims["nbf"]!.GetValue<long>() + (2 * 86_400)),
            stranger.Mint("vso", change: claims => (claims["iss"], claims["repository_id"]) = (_server.GitHub.Issuer, WorkflowServer.Id)),
            good[..^4] + "AAAA",
            _server.Token(job: "a:b:c"),
        ])
            Assert.Equal("401 unauthenticated", await _server.FindAsync(token, "k"));
    }

    [Fact]
    public async Task The_token_is_good_at_the_runtime_API_and_nowhere_else()
    {
        var token = _server.Token(change: claims => (claims["sub"], claims["iat"], claims["aud"]) = ("repo:demo/app", claims["nbf"]!.GetValue<long>(), _server.Server.Url));

        Assert.Equal(HttpStatusCode.OK, (await _server.Server.GetAsync("/runtime/whoami", token)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.Server.GetAsync("/v1/workspaces", token)).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.Server.ExchangeAsync("/token", token)).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.Server.ExchangeAsync("/oidc/acme/token", token, "https://cloud.example")).Status);
        var (_, explained) = await _server.Server.SendAsync(HttpMethod.Post, "/v1/explain", $$"""{"token":"{{token}}"}""");
        Assert.StartsWith("workflow:123456:run-1:job-1", Text(explained, "principal"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_ordinary_record_of_the_same_issuer_stays_what_it_was()
    {
        await _server.Server.PutAsync("/v1/workspaces/acme/trusted-issuers/ci", $$"""{"issuer":"{{_server.GitHub.Issuer}}","keys":{{WorkflowServer.Keys}} }""");
        await _server.Server.PutAsync("/v1/workspaces/acme/trust-policies/ci", """{"issuer":"ci","claims":{"sub":"ci"},"allow":{"roles":["viewer"]}}""");
        var workload = _server.GitHub.Mint(_server.Server.Url, "ci");

        Assert.Equal(HttpStatusCode.OK, (await _server.Server.GetAsync("/v1/workspaces/acme/collections", workload)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.Server.GetAsync("/runtime/whoami", workload)).Status);
        Assert.Equal(HttpStatusCode.OK, (await _server.Server.GetAsync("/runtime/whoami", _server.Token())).Status);
    }

    [Fact]
    public async Task Two_jobs_do_not_finish_each_others_uploads_and_one_job_gets_its_own_again_with_a_fresh_token()
    {
        var first = await _server.ReserveAsync(_server.Token(), "k");
        var again = await _server.ReserveAsync(_server.Token(change: static claims => claims["jti"] = "another"), "k");
        var other = await _server.ReserveAsync(_server.Token(job: "run-1:job-2"), "k");

        Assert.True(first.Json["ok"]!.GetValue<bool>() && again.Json["ok"]!.GetValue<bool>());
        Assert.Equal((HttpStatusCode.Conflict, "already_exists"), (other.Status, Text(other.Json, "code")));
    }

    [Fact]
    public async Task What_was_written_says_which_job_wrote_it()
    {
        await _server.SaveAsync(
            _server.Token(change: static claims => (claims["workflow_ref"], claims["actor"]) = ("demo/app/.github/workflows/ci.yml@refs/heads/main", "octocat")), "k");

        var (_, entries) = await _server.Server.GetAsync("/v1/workspaces/acme/cache/entries");
        var producer = entries["items"]![0]!["producer"]!;
        Assert.Equal(
            ("workflow:123456:run-1:job-1", "demo/app/.github/workflows/ci.yml", "octocat", "refs/heads/main"),
            (Text(producer, "subject"), Text(producer, "workflow"), Text(producer, "actor"), Text(producer, "ref")));
        Assert.NotEmpty(await _server.Server.AuditAsync("cache.write"));
    }

    [Fact]
    [Line("4.8")]
    public async Task A_rule_for_one_workflow_holds_for_its_jobs_and_for_no_others()
    {
        const string Pull = """[{"Scope":"refs/pull/7/merge","Permission":3},{"Scope":"refs/heads/main","Permission":1}]""";
        await _server.SaveAsync(_server.Token(), "linux-1");
        await _server.SaveAsync(_server.Token(ac: Pull), "linux-2");
        var (status, _) = await _server.Server.SendAsync(
            HttpMethod.Put, "/v1/workspaces/acme/cache/settings",
            """{"readRules":[{"refs":["*"],"writtenBy":["refs/heads/*"],"workflows":["demo/app/.github/workflows/release.yml"]}]}""");
        Assert.Equal(HttpStatusCode.OK, status);

        Assert.Equal("linux-2", await _server.FindAsync(Of("ci.yml"), "linux-"));
        Assert.Equal("linux-1", await _server.FindAsync(Of("release.yml"), "linux-"));
        Assert.Equal("linux-2", await _server.FindAsync(Of("release.yml.yml"), "linux-"));

        string Of(string file) => _server.Token(ac: Pull, job: $"run-2:{file}", change: claims => claims["workflow_ref"] = $"demo/app/.github/workflows/{file}@refs/pull/7/merge");
    }

    [Theory]
    [InlineData("/v1/workspaces/acme/trusted-issuers/github", "", "spec.workflows: belongs into a trusted issuer of the instance")]
    [InlineData("/v1/trusted-issuers/x", ""","audiences":["a"]""", "spec.audiences: stands beside no workflows")]
    [InlineData("/v1/trusted-issuers/x", "", "no such workspace", """{"1":{"workspace":"nothing","repository":"a/b"}}""")]
    [InlineData("/v1/trusted-issuers/x", "", "must be GitHub's id", """{"demo/app":{"workspace":"acme","repository":"a/b"}}""")]
    [InlineData("/v1/trusted-issuers/x", "", "must be owner/name", """{"1":{"workspace":"acme","repository":"ab"}}""")]
    [InlineData("/v1/trusted-issuers/x", "", "must be 1 to", "{}")]
    public async Task A_record_that_would_let_in_the_wrong_ones_is_refused(string path, string members, string mistake, string? repositories = null)
    {
        var spec = _server.Spec(repositories: repositories);
        var (status, json) = await _server.Server.SendAsync(HttpMethod.Put, path, "{\"spec\":" + spec[..^1] + members + "}}");

        Assert.True(status == HttpStatusCode.BadRequest, json.ToJsonString());
        Assert.Contains(mistake, json.ToJsonString().Replace("\\u0027", "'", StringComparison.Ordinal).Replace("\",\"text\":\"", ": ", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Calls_of_other_services_go_on_to_GitHub_with_GitHubs_token_and_no_other_token_ever_does()
    {
        var seen = new List<(string Path, string? Bearer)>();
        await using var results = await ResultsAsync(seen);
        await _server.TrustAsync($$""","resultsUrl":"{{results.Urls.First()}}" """);
        var token = _server.Token();
        const string artifacts = "/twirp/github.actions.results.api.v1.ArtifactService/CreateArtifact";

        var (status, json) = await _server.Server.SendAsync(HttpMethod.Post, artifacts, """{"name":"a"}""", token);
        Assert.Equal((HttpStatusCode.OK, "here"), (status, Text(json, "signed_upload_url")));
        Assert.Equal([(artifacts, $"Bearer {token}")], seen);

        // A machine of ours, an unknown method of the cache, an odd path: answered here.
        var (_, machine) = await _server.Server.SendAsync(HttpMethod.Post, "/v1/workspaces/acme/machines", """{"repository":"demo/app","ref":"refs/heads/main"}""");
        Assert.Equal((HttpStatusCode.NotFound, "bad_route"), Code(await _server.Server.SendAsync(HttpMethod.Post, artifacts, "{}", Text(machine, "token"))));
        Assert.Equal((HttpStatusCode.NotFound, "bad_route"), Code(await _server.TwirpAsync("Nothing", token, "{}")));
        Assert.Equal((HttpStatusCode.NotFound, "bad_route"), Code(await _server.Server.SendAsync(HttpMethod.Post, "/twirp/a/b/c", "{}", token)));
        Assert.Equal((HttpStatusCode.Unauthorized, "unauthenticated"), Code(await _server.Server.SendAsync(HttpMethod.Post, artifacts, "{}", "nonsense")));
        Assert.Single(seen);

        // Its error page becomes an error that clients understand, and so does its absence.
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "unavailable"), Code(await _server.Server.SendAsync(HttpMethod.Post, artifacts + "Html", "{}", token)));
        await results.StopAsync();
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "unavailable"), Code(await _server.Server.SendAsync(HttpMethod.Post, artifacts, "{}", token)));
    }

    [Fact]
    public async Task The_URL_of_a_blob_has_the_origin_that_the_caller_names_and_stays_signed()
    {
        using var client = new HttpClient();
        foreach (var (said, origin) in ((string, string)[])
        [
            ("http://lanyard.blob.core.windows.net:4711", "http://lanyard.blob.core.windows.net:4711"), ("https://x/path", _server.Server.Url), ("javascript:alert(1)", _server.Server.Url),
        ])
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, _server.Server.Url + "/twirp/github.actions.results.api.v1.CacheService/CreateCacheEntry");
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {_server.Token()}");
            request.Headers.TryAddWithoutValidation("Lanyard-Cache-Origin", said);
            request.Content = new StringContent($$"""{"key":"{{said.Length}}","version":"1"}""", System.Text.Encoding.UTF8, "application/json");
            using var response = await client.SendAsync(request);
            var url = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement.GetProperty("signed_upload_url").GetString()!;
            Assert.StartsWith(origin + "/cache/ws_", url, StringComparison.Ordinal);
        }
    }

    private static (HttpStatusCode, string) Code((HttpStatusCode Status, JsonNode Json) answer) => (answer.Status, Text(answer.Json, "code"));

    private static string Text(JsonNode json, string name) => json[name]?.GetValue<string>() ?? "";

    private static async Task<WebApplication> ResultsAsync(List<(string, string?)> seen)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        app.Run(async context =>
        {
            if (context.Request.Path.Value!.EndsWith("Html", StringComparison.Ordinal))
            {
                context.Response.ContentType = "text/html";
                await context.Response.WriteAsync("<h1>no</h1>");
                return;
            }

            seen.Add((context.Request.Path.Value, context.Request.Headers.Authorization));
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync("""{"ok":true,"signed_upload_url":"here"}""");
        });
        await app.StartAsync();
        return app;
    }
}
