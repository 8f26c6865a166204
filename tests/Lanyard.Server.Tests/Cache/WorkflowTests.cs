using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>Jobs on GitHub's own runners, by the runtime token that GitHub gave them.</summary>
[Line("4.6")]
public sealed class WorkflowTests : WorkflowServerTests
{
    [Fact]
    public async Task A_token_without_subject_iat_and_audience_of_ours_saves_and_restores_in_the_scopes_that_it_names()
    {
        var main = Cache.Token();
        await Cache.SaveAsync(main, "linux-1");

        Assert.Equal("linux-1", await Cache.FindAsync(main, "linux-"));
        Assert.Equal("linux-1", await Cache.FindAsync(Cache.Token(ac: """[{"Scope":"refs/pull/7/merge","Permission":3},{"Scope":"refs/heads/main","Permission":1}]"""), "linux-1"));
        Assert.Null(await Cache.FindAsync(Cache.Token(ac: """[{"Scope":"refs/heads/other","Permission":3}]"""), "linux-1"));
        var (_, me) = await Cache.Server.GetAsync("/runtime/whoami", main);
        Assert.Equal(("workflow", "demo/app", "refs/heads/main"), (Text(me, "kind"), Text(me, "repository"), Text(me, "ref")));
    }

    [Fact]
    public async Task A_pull_requests_token_can_not_write_what_the_default_branch_reads()
    {
        var pull = Cache.Token(ac: """[{"Scope":"refs/pull/7/merge","Permission":3},{"Scope":"refs/heads/main","Permission":1}]""");
        await Cache.SaveAsync(pull, "linux-1");

        Assert.Null(await Cache.FindAsync(Cache.Token(), "linux-1"));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("""[{"Scope":"refs/heads/main","Permission":0}]""")]
    [InlineData("""[{"Scope":"refs/heads/main","Permission":4}]""")]
    public async Task Without_a_scope_to_write_or_read_nothing_is_written_or_read(string ac)
    {
        var token = Cache.Token(ac: ac);

        var (status, json) = await Cache.ReserveAsync(token, "k");
        Assert.Equal((HttpStatusCode.OK, false), (status, json["ok"]?.GetValue<bool>() ?? false));
        Assert.StartsWith("cache write denied:", Text(json, "message"), StringComparison.Ordinal);
        Assert.Equal("403 permission_denied", await Cache.FindAsync(token, "k"));
    }

    [Fact]
    public async Task A_read_only_token_of_an_untrusted_event_reads_and_is_denied_the_write()
    {
        await Cache.SaveAsync(Cache.Token(), "linux-1");
        var low = Cache.Token(ac: """[{"Scope":"refs/heads/main","Permission":1}]""");

        Assert.Equal("linux-1", await Cache.FindAsync(low, "linux-1"));
        var (_, json) = await Cache.ReserveAsync(low, "linux-2");
        Assert.StartsWith("cache write denied:", Text(json, "message"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_repository_is_known_by_its_id_and_its_workspaces_cache_is_its_own()
    {
        await Cache.SaveAsync(Cache.Token(), "linux-1");

        // Another workspace calls its repository by the same name.
        Assert.Null(await Cache.FindAsync(Cache.Token(WorkflowServer.OtherId), "linux-1"));
        Assert.Equal("401 unauthenticated", await Cache.FindAsync(Cache.Token("999"), "linux-1"));
        Assert.Equal("401 unauthenticated", await Cache.FindAsync(Cache.Token(change: static claims => claims.Remove("repository_id")), "linux-1"));
        Assert.Equal("401 unauthenticated", await Cache.FindAsync(Cache.Token(change: static claims => claims["repository_id"] = new JsonArray(WorkflowServer.Id)), "linux-1"));
        Assert.Equal("linux-1", await Cache.FindAsync(Cache.Token(change: static claims => claims["repository_id"] = 123456), "linux-1"));
    }

    [Fact]
    public async Task A_repository_that_is_taken_off_the_list_is_out_at_once_with_a_token_that_was_good()
    {
        var token = Cache.Token();
        await Cache.SaveAsync(token, "k");

        await Cache.TrustAsync(repositories: """{"777":{"workspace":"other","repository":"demo/app"}}""");

        Assert.Equal("401 unauthenticated", await Cache.FindAsync(token, "k"));
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
        Assert.Equal("401 unauthenticated", await Cache.FindAsync(Cache.Token(ac: ac), "k"));

    [Fact]
    public async Task The_last_of_sixteen_scopes_is_searched_and_a_seventeenth_is_a_refusal_and_not_left_out()
    {
        static string Scopes(int count) =>
            "[" + string.Join(',', Enumerable.Range(1, count).Select(static i => $$"""{"Scope":"refs/heads/s{{i}}","Permission":1}""")) + "]";
        await Cache.SaveAsync(Cache.Token(ac: """[{"Scope":"refs/heads/s16","Permission":3}]"""), "linux-1");

        Assert.Equal("linux-1", await Cache.FindAsync(Cache.Token(ac: Scopes(16)), "linux-1"));
        var many = Cache.Token(ac: Scopes(17));
        Assert.Equal("401 unauthenticated", await Cache.FindAsync(many, "linux-1"));
        Assert.Contains(await Cache.Server.AuditAsync("bearer"), static line => line.Contains("ac is no text of at most 16 scopes", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Expired_foreign_and_forged_tokens_are_a_401_in_json()
    {
        await using var stranger = await TestIssuer.StartAsync();
        var good = Cache.Token();
        foreach (var token in (string[])
        [
            Cache.Token(change: static claims => claims["exp"] = claims["nbf"]!.GetValue<long>() - 120),
            Cache.Token(change: static claims => claims.Remove("exp")),
            Cache.Token(change: static claims => claims["exp"] = claims["nbf"]!.GetValue<long>() + (2 * 86_400)),
            stranger.Mint("vso", change: claims => (claims["iss"], claims["repository_id"]) = (Cache.GitHub.Issuer, WorkflowServer.Id)),
            good[..^4] + "AAAA",
            Cache.Token(job: "a:b:c"),
        ])
            Assert.Equal("401 unauthenticated", await Cache.FindAsync(token, "k"));
    }

    [Fact]
    public async Task The_token_is_good_at_the_runtime_API_and_nowhere_else()
    {
        var token = Cache.Token(change: claims => (claims["sub"], claims["iat"], claims["aud"]) = ("repo:demo/app", claims["nbf"]!.GetValue<long>(), Cache.Server.Url));

        Assert.Equal(HttpStatusCode.OK, (await Cache.Server.GetAsync("/runtime/whoami", token)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await Cache.Server.GetAsync("/v1/workspaces", token)).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await Cache.Server.ExchangeAsync("/token", token)).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await Cache.Server.ExchangeAsync("/oidc/acme/token", token, "https://cloud.example")).Status);
        var (_, explained) = await Cache.Server.SendAsync(HttpMethod.Post, "/v1/explain", $$"""{"token":"{{token}}"}""");
        Assert.StartsWith("workflow:123456:run-1:job-1", Text(explained, "principal"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_ordinary_record_of_the_same_issuer_stays_what_it_was()
    {
        await Cache.Server.PutAsync("/v1/workspaces/acme/trusted-issuers/ci", $$"""{"issuer":"{{Cache.GitHub.Issuer}}","keys":{{WorkflowServer.Keys}} }""");
        await Cache.Server.PutAsync("/v1/workspaces/acme/trust-policies/ci", """{"issuer":"ci","claims":{"sub":"ci"},"allow":{"roles":["viewer"]}}""");
        var workload = Cache.GitHub.Mint(Cache.Server.Url, "ci");

        Assert.Equal(HttpStatusCode.OK, (await Cache.Server.GetAsync("/v1/workspaces/acme/collections", workload)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await Cache.Server.GetAsync("/runtime/whoami", workload)).Status);
        Assert.Equal(HttpStatusCode.OK, (await Cache.Server.GetAsync("/runtime/whoami", Cache.Token())).Status);
    }

    [Fact]
    public async Task Two_jobs_do_not_finish_each_others_uploads_and_one_job_gets_its_own_again_with_a_fresh_token()
    {
        var first = await Cache.ReserveAsync(Cache.Token(), "k");
        var again = await Cache.ReserveAsync(Cache.Token(change: static claims => claims["jti"] = "another"), "k");
        var other = await Cache.ReserveAsync(Cache.Token(job: "run-1:job-2"), "k");

        Assert.True(first.Json["ok"]!.GetValue<bool>() && again.Json["ok"]!.GetValue<bool>());
        Assert.Equal((HttpStatusCode.Conflict, "already_exists"), (other.Status, Text(other.Json, "code")));
    }

    [Fact]
    public async Task What_was_written_says_which_job_wrote_it()
    {
        await Cache.SaveAsync(
            Cache.Token(change: static claims => (claims["workflow_ref"], claims["actor"]) = ("demo/app/.github/workflows/ci.yml@refs/heads/main", "octocat")), "k");

        var (_, entries) = await Cache.Server.GetAsync("/v1/workspaces/acme/cache/entries");
        var producer = entries["items"]![0]!["producer"]!;
        Assert.Equal(
            ("workflow:123456:run-1:job-1", "demo/app/.github/workflows/ci.yml", "octocat", "refs/heads/main"),
            (Text(producer, "subject"), Text(producer, "workflow"), Text(producer, "actor"), Text(producer, "ref")));
        Assert.NotEmpty(await Cache.Server.AuditAsync("cache.write"));
    }

    [Fact]
    [Line("4.8")]
    public async Task A_rule_for_one_workflow_holds_for_its_jobs_and_for_no_others()
    {
        const string Pull = """[{"Scope":"refs/pull/7/merge","Permission":3},{"Scope":"refs/heads/main","Permission":1}]""";
        await Cache.SaveAsync(Cache.Token(), "linux-1");
        await Cache.SaveAsync(Cache.Token(ac: Pull), "linux-2");
        var (status, _) = await Cache.Server.SendAsync(
            HttpMethod.Put, "/v1/workspaces/acme/cache/settings",
            """{"readRules":[{"refs":["*"],"writtenBy":["refs/heads/*"],"workflows":["demo/app/.github/workflows/release.yml"]}]}""");
        Assert.Equal(HttpStatusCode.OK, status);

        Assert.Equal("linux-2", await Cache.FindAsync(Of("ci.yml"), "linux-"));
        Assert.Equal("linux-1", await Cache.FindAsync(Of("release.yml"), "linux-"));
        Assert.Equal("linux-2", await Cache.FindAsync(Of("release.yml.yml"), "linux-"));

        string Of(string file) => Cache.Token(ac: Pull, job: $"run-2:{file}", change: claims => claims["workflow_ref"] = $"demo/app/.github/workflows/{file}@refs/pull/7/merge");
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
        var spec = Cache.Spec(repositories: repositories);
        var (status, json) = await Cache.Server.SendAsync(HttpMethod.Put, path, "{\"spec\":" + spec[..^1] + members + "}}");

        Assert.True(status == HttpStatusCode.BadRequest, json.ToJsonString());
        Assert.Contains(mistake, json.ToJsonString().Replace("\\u0027", "'", StringComparison.Ordinal).Replace("\",\"text\":\"", ": ", StringComparison.Ordinal), StringComparison.Ordinal);
    }
}
