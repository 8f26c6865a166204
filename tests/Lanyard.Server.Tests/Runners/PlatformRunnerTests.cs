using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Protocol.OAuth;
using Lanyard.Server.Tests.Exchange;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runners;

/// <summary>Hosts that their platform vouches for: the platform's token is exchanged for the runner's, where runner and trust policy name each other.</summary>
[Line("5.2")]
public sealed class PlatformRunnerTests : IAsyncLifetime
{
    private const string Runner = "/v1/workspaces/acme/runners/builder";
    private const string Builder = """{"runner":"builder"}""";
    private const string Policy = "/v1/workspaces/acme/trust-policies/hosts";
    private ExchangeServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await ExchangeServer.StartAsync();
        await _server.Door.PutAsync("/v1/workspaces/acme/collections/prod", "{}");
        await AllowAsync("acme", "hosts", "arn:aws:iam::123456789012:role/builder");
        await RunnerAsync("acme", "builder", "hosts");
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task A_host_whose_platforms_token_matches_the_runners_policy_is_the_runner()
    {
        var answer = await BecomeAsync("builder", Host());
        Assert.True(answer.Status == HttpStatusCode.OK, answer.Json.ToJsonString());
        var opened = await OpenAsync(TokenOf(answer));
        Assert.Equal(HttpStatusCode.OK, opened.Status);
        Assert.Equal("builder", opened.Json["name"]!.GetValue<string>());

        var written = (await _server.EventsAsync("token.exchange"))[^1];
        Assert.Contains("policy hosts", written.GetProperty("evidence").ToString(), StringComparison.Ordinal);
        Assert.StartsWith("runner:rnr_", written.GetProperty("principal").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_runners_token_is_for_the_run_protocol_and_nothing_else_of_the_policy()
    {
        await _server.Door.SendAsync(HttpMethod.Put, Policy, Spec("arn:aws:iam::123456789012:role/builder", """{"roles":["admin"],"runner":"builder"}"""), ifMatch: "*");
        var token = TokenOf(await BecomeAsync("builder", Host()));

        Assert.Equal(HttpStatusCode.NotFound, (await _server.Door.GetAsync("/v1/workspaces/acme/collections", token)).Status);
        Assert.Equal("invalid_request", (await BecomeAsync("builder", token)).Error);
        Assert.Equal("invalid_target", (await _server.ExchangeAsync("/oidc/acme/token", Host(), ("runner", "builder"), ("audience", ExchangeServer.Audience))).Error);
        Assert.Equal("invalid_request", (await _server.ExchangeAsync("/oidc/acme/token", Host(), ("runner", "builder"), ("scope", "role:viewer"))).Error);
    }

    [Fact]
    [Line("6.5")]
    public async Task A_token_that_was_narrowed_or_that_somebody_acts_with_is_no_way_to_the_runners_unlimited_one()
    {
        const string Subject = "arn:aws:iam::123456789012:role/builder";
        await _server.AllowAsync("bot", """{"roles":["viewer"]}""");
        await _server.Door.SendAsync(HttpMethod.Put, Policy, Spec(Subject, """{"roles":["operator"],"runner":"builder","actors":["policy:ci:bot"]}"""), ifMatch: "*");
        var narrow = TokenOf(await _server.ExchangeAsync("/token", Host(), ("scope", "role:viewer")));
        var acting = TokenOf(await _server.ExchangeAsync("/token", Host(), ("actor_token", _server.Workload("bot")), ("actor_token_type", OAuthNames.TokenTypeJwt)));

        foreach (var token in (string[])[narrow, acting])
        {
            Assert.Equal(HttpStatusCode.OK, (await _server.Door.GetAsync("/v1/workspaces/acme/collections", token)).Status);
            var refused = await BecomeAsync("builder", token);
            Assert.Equal("invalid_request", refused.Error);
            Assert.Equal((await BecomeAsync("nobody", token)).Description, refused.Description);
        }

        // What is neither is exchanged further as before.
        Assert.Equal(HttpStatusCode.OK, (await OpenAsync(TokenOf(await BecomeAsync("builder", TokenOf(await _server.ExchangeAsync("/token", Host())))))).Status);
    }

    [Fact]
    public async Task Whoever_does_not_match_hears_the_same_whether_the_runner_exists_or_not()
    {
        await AllowAsync("acme", "others", "arn:aws:iam::123456789012:role/other");
        var stranger = Host("arn:aws:iam::123456789012:role/other");

        var known = await BecomeAsync("builder", stranger);
        Assert.Equal(HttpStatusCode.BadRequest, known.Status);
        foreach (var name in (string[])["nobody", "no name", "BUILDER"])
        {
            var answer = await BecomeAsync(name, stranger);
            Assert.Equal((known.Status, known.Error, known.Description), (answer.Status, answer.Error, answer.Description));
        }

        Assert.Equal(known.Description, (await BecomeAsync("builder", Host("arn:aws:iam::123456789012:role/third"))).Description);
    }

    [Fact]
    public async Task A_policy_that_does_not_allow_the_runner_is_no_proof_of_it_though_the_runner_names_it()
    {
        foreach (var allow in (string[])["""{"roles":["viewer"]}""", """{"runner":"other"}"""])
        {
            await _server.Door.SendAsync(HttpMethod.Put, Policy, Spec("arn:aws:iam::123456789012:role/builder", allow), ifMatch: "*");
            Assert.Equal("invalid_request", (await BecomeAsync("builder", Host())).Error);
        }
    }

    [Fact]
    public async Task Another_workspace_that_trusts_the_same_platform_can_not_make_the_host_its_runner()
    {
        await _server.Door.PutAsync("/v1/workspaces/other/collections/prod", "{}");
        await TrustAsync("/v1/workspaces/other");
        await AllowAsync("other", "hosts", "arn:aws:iam::123456789012:role/builder");
        await RunnerAsync("other", "builder", "hosts");

        var mine = TokenOf(await BecomeAsync("builder", Host()));
        Assert.Equal(["acme/prod"], (await OpenAsync(mine)).Json["collections"]!.AsArray().Select(static name => name!.GetValue<string>()));
        Assert.Equal("invalid_request", (await _server.ExchangeAsync("/token", Host(), ("runner", "builder"))).Error);
    }

    [Fact]
    public async Task The_runners_token_ends_with_its_policy_its_trust_and_its_being_the_runners_proof()
    {
        async Task EndsAsync(Func<Task> change)
        {
            var token = TokenOf(await BecomeAsync("builder", Host()));
            Assert.Equal(HttpStatusCode.OK, (await OpenAsync(token)).Status);
            await change();
            Assert.Equal(HttpStatusCode.Unauthorized, (await OpenAsync(token)).Status);
        }

        await EndsAsync(() => _server.Door.SendAsync(HttpMethod.Put, Policy, Spec("arn:aws:iam::123456789012:role/builder", Builder, perMinute: 100), ifMatch: "*"));
        await AllowAsync("acme", "second", "arn:aws:iam::123456789012:role/builder");
        await EndsAsync(() => _server.Door.SendAsync(HttpMethod.Put, Runner, RunnerSpec("second"), ifMatch: "*"));
        await EndsAsync(() => _server.Door.SendAsync(HttpMethod.Delete, "/v1/workspaces/acme/trust-policies/second", ifMatch: "*"));
        Assert.Equal("invalid_request", (await BecomeAsync("builder", Host())).Error);
        await _server.Door.SendAsync(HttpMethod.Put, Runner, RunnerSpec("hosts"), ifMatch: "*");
        await EndsAsync(() => _server.Door.SendAsync(HttpMethod.Delete, Runner, ifMatch: "*"));
    }

    [Fact]
    public async Task A_policy_is_the_proof_of_one_runner_and_must_be_of_its_own_place()
    {
        await _server.Door.PutAsync("/v1/workspaces/other/collections/prod", "{}");
        Assert.Equal(HttpStatusCode.Conflict, (await _server.Door.SendAsync(HttpMethod.Put, "/v1/workspaces/acme/runners/second", RunnerSpec("hosts"))).Status);
        var foreign = await _server.Door.SendAsync(HttpMethod.Put, "/v1/workspaces/other/runners/builder", RunnerSpec("hosts"));
        Assert.Contains("the workspace has no such trust policy", foreign.Json.ToJsonString(), StringComparison.Ordinal);
        var shared = await _server.Door.SendAsync(HttpMethod.Put, "/v1/runners/pool", RunnerSpec("hosts", "acme/prod"));
        Assert.Contains("the instance has no such trust policy", shared.Json.ToJsonString(), StringComparison.Ordinal);
        var two = await _server.Door.SendAsync(
            HttpMethod.Put, "/v1/workspaces/acme/runners/two", """{"spec":{"collections":["prod"],"identity":{"policy":"hosts","cluster":"lab","subject":"s"}}}""");
        Assert.Equal(HttpStatusCode.BadRequest, two.Status);
    }

    [Fact]
    public async Task A_shared_runner_is_the_instances_and_so_is_its_policy()
    {
        await TrustAsync("/v1");
        await _server.Door.PutAsync("/v1/trust-policies/pool", Inner("arn:aws:iam::123456789012:role/pool", """{"runner":"pool"}"""));
        await _server.Door.SendAsync(HttpMethod.Put, "/v1/runners/pool", RunnerSpec("pool", "acme/prod"));
        var host = Host("arn:aws:iam::123456789012:role/pool");

        Assert.Equal(HttpStatusCode.OK, (await OpenAsync(TokenOf(await _server.ExchangeAsync("/token", host, ("runner", "pool"))))).Status);
        Assert.Equal("invalid_request", (await BecomeAsync("pool", host)).Error);
    }

    [Fact]
    public async Task A_policy_that_is_for_audit_only_makes_no_runner()
    {
        await _server.Door.SendAsync(HttpMethod.Put, Policy, Spec("arn:aws:iam::123456789012:role/builder", Builder, mode: "audit"), ifMatch: "*");
        Assert.Equal("invalid_request", (await BecomeAsync("builder", Host())).Error);
    }

    private static string TokenOf(OAuthAnswer answer) => answer.Json["access_token"]?.GetValue<string>() ?? throw new InvalidOperationException(answer.Json.ToJsonString());

    private static string Inner(string subject, string allow, int? perMinute = null, string? mode = null)
    {
        var spec = new JsonObject { ["issuer"] = "ci", ["claims"] = new JsonObject { ["sub"] = subject }, ["allow"] = JsonNode.Parse(allow) };
        if (perMinute is not null) spec["perMinute"] = perMinute;
        if (mode is not null) spec["mode"] = mode;
        return spec.ToJsonString();
    }

    private static string Spec(string subject, string allow, int? perMinute = null, string? mode = null) => $$"""{"spec":{{Inner(subject, allow, perMinute, mode)}}}""";

    private static string RunnerSpec(string policy, string collection = "prod") =>
        $$$"""{"spec":{"collections":["{{{collection}}}"],"identity":{"policy":"{{{policy}}}"} } }""";

    private Task AllowAsync(string workspace, string slug, string subject) =>
        _server.Door.PutAsync($"/v1/workspaces/{workspace}/trust-policies/{slug}", Inner(subject, Builder));

    private Task TrustAsync(string place) =>
        _server.Door.PutAsync($"{place}/trusted-issuers/ci", $$$"""{"issuer":"{{{_server.Issuer.Issuer}}}","allowPrivateAddresses":true,"keys":{"discovery":{} } }""");

    private async Task RunnerAsync(string workspace, string slug, string policy)
    {
        var (status, json) = await _server.Door.SendAsync(HttpMethod.Put, $"/v1/workspaces/{workspace}/runners/{slug}", RunnerSpec(policy));
        Assert.True(status == HttpStatusCode.Created, json.ToJsonString());
    }

    private string Host(string subject = "arn:aws:iam::123456789012:role/builder") => _server.Workload(subject);

    private Task<OAuthAnswer> BecomeAsync(string runner, string token) => _server.ExchangeAsync("/oidc/acme/token", token, ("runner", runner));

    private Task<(HttpStatusCode Status, JsonNode Json)> OpenAsync(string token) => _server.Door.SendAsync(
        HttpMethod.Post, "/v1/runner/session", $$"""{"nonce":"{{Guid.NewGuid():N}}{{Guid.NewGuid():N}}","version":"1.0.0","concurrency":1,"labels":[],"executors":["process"],"sandboxed":true}""", token);
}
