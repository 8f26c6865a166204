using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Protocol.OAuth;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Exchange;

/// <summary>The exchange beyond the plain one: actors, several audiences, narrower tokens, one-time tokens, bound tokens, rates, audit-only policies.</summary>
[Line("6.5")]
public sealed class ExchangeTermsTests : IAsyncLifetime
{
    private const string Collections = "/v1/workspaces/acme/collections";
    private const string Definition = """{"spec":{"steps":[{"name":"a","script":"true"}]}}""";
    private ExchangeServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await ExchangeServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task An_actor_that_the_subjects_token_or_policy_names_acts_and_is_named_in_token_introspection_and_audit()
    {
        await PolicyAsync("bot", """{"roles":["viewer"]}""");
        await PolicyAsync("lead", """{"roles":["operator"],"audiences":["https://sts.example"],"actors":["policy:ci:bot"]}""");

        var byPolicy = await ActAsync("lead", "bot");
        Assert.Equal("policy:ci:bot", ClaimsOf(byPolicy)["act"]!["sub"]!.GetValue<string>());
        Assert.Equal("policy:ci:lead", ClaimsOf(byPolicy)["sub"]!.GetValue<string>());
        var identity = await ActAsync("lead", "bot", "/oidc/acme/token", ("audience", ExchangeServer.Audience));
        Assert.Equal("policy:ci:bot", ClaimsOf(identity)["act"]!["sub"]!.GetValue<string>());
        var byToken = await ActAsync("ci", "bot", "/token", null, claims => claims["may_act"] = new JsonObject { ["sub"] = "bot" });
        Assert.Equal("policy:ci:bot", ClaimsOf(byToken)["act"]!["sub"]!.GetValue<string>());

        // It acts as the subject, with the subject's rights; whoever looks sees both.
        var api = byPolicy.Json["access_token"]!.GetValue<string>();
        Assert.Equal(HttpStatusCode.OK, (await _server.Door.GetAsync(Collections, api)).Status);
        var seen = await _server.PostAsync("/introspect", api, ("token", api));
        Assert.Equal("policy:ci:bot", seen.Json["act"]!["sub"]!.GetValue<string>());
        Assert.Contains("acting for it: policy:ci:bot", (await _server.EventsAsync("token.exchange"))[0].GetProperty("evidence").ToString(), StringComparison.Ordinal);

        // Who acts for whoever acts: the earlier one stands inside.
        await PolicyAsync("second", """{"roles":["viewer"]}""");
        await _server.Door.PutAsync("/v1/workspaces/acme/trust-policies/chain", """{"issuer":"ci","claims":{"sub":"deep"},"allow":{"roles":["viewer"],"actors":["policy:ci:bot","policy:ci:second"]}}""");
        var first = (await ActAsync("deep", "bot")).Json["access_token"]!.GetValue<string>();
        var then = await _server.ExchangeAsync("/token", first, ("actor_token", _server.Workload("second")), ("actor_token_type", OAuthNames.TokenTypeJwt));
        Assert.Equal("policy:ci:bot", ClaimsOf(then)["act"]!["act"]!["sub"]!.GetValue<string>());
    }

    [Fact]
    public async Task Nobody_acts_whom_neither_token_nor_policy_names()
    {
        await PolicyAsync("bot", """{"roles":["viewer"]}""");
        await PolicyAsync("lead", """{"roles":["operator"],"actors":["policy:ci:somebody"]}""");

        Assert.Equal("invalid_request", (await ActAsync("lead", "bot")).Error);
        Assert.Equal("invalid_request", (await ActAsync("ci", "bot")).Error);
        foreach (var mayAct in (JsonNode[])[
            new JsonObject { ["sub"] = "other" }, new JsonObject { ["sub"] = "bot", ["iss"] = "https://elsewhere.example" }, new JsonObject { ["iss"] = _server.Issuer.Issuer },
            new JsonObject { ["sub"] = 7 }, JsonValue.Create("bot"), new JsonArray("bot")])
            Assert.Equal("invalid_request", (await ActAsync("ci", "bot", "/token", null, claims => claims["may_act"] = mayAct.DeepClone())).Error);
        // A token that names somebody means nobody else, whom a policy would let act.
        await PolicyAsync("open", """{"roles":["viewer"],"actors":["policy:ci:bot"]}""");
        Assert.Equal(HttpStatusCode.OK, (await ActAsync("open", "bot")).Status);
        Assert.Equal("invalid_request", (await ActAsync("open", "bot", "/token", null, static claims => claims["may_act"] = new JsonObject { ["sub"] = "other" })).Error);
        // The actor's own token must be good, and its type be said.
        Assert.Equal("invalid_request", (await ActAsync("ci", "stranger", "/token", null, claims => claims["may_act"] = new JsonObject { ["sub"] = "stranger" })).Error);
        var untyped = await _server.ExchangeAsync("/token", _server.Workload("lead"), ("actor_token", _server.Workload("bot")));
        var lonely = await _server.ExchangeAsync("/token", _server.Workload("lead"), ("actor_token_type", OAuthNames.TokenTypeJwt));
        Assert.Equal(("invalid_request", "invalid_request"), (untyped.Error, lonely.Error));
    }

    [Fact]
    public async Task One_token_is_for_several_audiences_only_where_one_policy_allows_all_of_them_together()
    {
        await PolicyAsync("two", """{"audiences":["https://a.example","https://b.example"]}""");
        await PolicyAsync("both", """{"audiences":["https://a.example","https://b.example"],"together":true}""");
        (string, string)[] wanted = [("audience", "https://a.example"), ("resource", "https://b.example")];

        var together = await _server.ExchangeAsync("/oidc/acme/token", _server.Workload("both"), wanted);
        Assert.Equal(["https://a.example", "https://b.example"], ClaimsOf(together)["aud"]!.AsArray().Select(static one => one!.GetValue<string>()));
        // Introspection says what the token says: all of them, and of one token's only audience a string (RFC 7662 §2.2).
        await PolicyAsync("looker", """{"roles":["viewer"]}""");
        var seen = await _server.PostAsync("/oidc/acme/introspect", _server.Workload("looker"), ("token", together.Json["access_token"]!.GetValue<string>()));
        Assert.Equal(["https://a.example", "https://b.example"], seen.Json["aud"]!.AsArray().Select(static one => one!.GetValue<string>()));
        var alone = await _server.PostAsync("/oidc/acme/introspect", _server.Workload("looker"), ("token", await _server.IdentityTokenAsync()));
        Assert.Equal(ExchangeServer.Audience, alone.Json["aud"]!.GetValue<string>());
        Assert.Equal("invalid_target", (await _server.ExchangeAsync("/oidc/acme/token", _server.Workload("two"), wanted)).Error);
        Assert.Equal("invalid_target", (await _server.ExchangeAsync("/oidc/acme/token", _server.Workload("both"), [.. wanted, ("audience", "https://c.example")])).Error);
        Assert.Equal("invalid_target", (await _server.ExchangeAsync("/oidc/acme/token", _server.Workload("both"), ("audience", "https://a.example"), ("audience", "https://a.example"))).Error);
        Assert.Equal("invalid_target", (await _server.ExchangeAsync("/oidc/acme/token", _server.Workload("both"), ("audience", "https://a.example"), ("audience", _server.Url))).Error);
        foreach (var resource in (string[])["relative/path", "https://b.example#part"])
            Assert.Equal("invalid_target", (await _server.ExchangeAsync("/oidc/acme/token", _server.Workload("both"), ("resource", resource))).Error);
    }

    [Fact]
    public async Task A_token_is_exchanged_for_one_that_can_do_less_and_never_for_more()
    {
        await _server.Door.PutAsync("/v1/workspaces/acme/collections/prod", "{}");
        await _server.Door.PutAsync("/v1/workspaces/acme/collections/test", "{}");
        await PolicyAsync("lead", """{"roles":["admin"],"audiences":["https://sts.example"]}""");

        var narrow = await _server.ExchangeAsync("/token", _server.Workload("lead"), ("scope", "role:viewer collection:acme/prod"));
        Assert.Equal("role:viewer collection:acme/prod", narrow.Json["scope"]!.GetValue<string>());
        var token = narrow.Json["access_token"]!.GetValue<string>();
        Assert.Equal(HttpStatusCode.OK, (await _server.Door.GetAsync(Collections + "/prod", token)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await _server.Door.GetAsync(Collections + "/test", token)).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.Door.SendAsync(HttpMethod.Put, Collections + "/prod/definitions/new", Definition, token)).Status);

        // What it gets out of itself is within the same bounds, whatever it asks for; and it has no identity tokens any more.
        var again = await _server.ExchangeAsync("/token", token, ("scope", "role:admin workspace:acme"));
        var widened = again.Json["access_token"]!.GetValue<string>();
        Assert.Equal(HttpStatusCode.NotFound, (await _server.Door.GetAsync(Collections + "/test", widened)).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.Door.SendAsync(HttpMethod.Put, Collections + "/prod/definitions/new", Definition, widened)).Status);
        Assert.Equal("invalid_target", (await _server.ExchangeAsync("/oidc/acme/token", token, ("audience", ExchangeServer.Audience))).Error);

        foreach (var scope in (string[])["role:boss", "role:viewer role:admin", "workspace:other", "workspace:nothing", "collection:acme/nothing", "workspace:acme collection:acme/prod", "openid", " ", "role:viewer  workspace:acme"])
            Assert.Equal((scope, "invalid_scope"), (scope, (await _server.ExchangeAsync("/token", _server.Workload("lead"), ("scope", scope))).Error));
        Assert.Equal("invalid_scope", (await _server.ExchangeAsync("/oidc/acme/token", _server.Workload("lead"), ("audience", ExchangeServer.Audience), ("scope", "role:viewer"))).Error);
    }

    [Fact]
    public async Task A_token_whose_policy_says_once_is_exchanged_once_and_is_no_bearer()
    {
        await PolicyAsync("single", """{"roles":["viewer"],"audiences":["https://sts.example"]}""", "\"once\":true");
        var token = _server.Workload("single");

        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.Door.GetAsync(Collections, token)).Status);
        // What is refused for another reason uses nothing up.
        Assert.Equal("invalid_target", (await _server.ExchangeAsync("/oidc/acme/token", token, ("audience", "https://elsewhere.example"))).Error);
        var first = await _server.ExchangeAsync("/oidc/acme/token", token, ("audience", ExchangeServer.Audience));
        Assert.Equal(HttpStatusCode.OK, first.Status);
        Assert.Equal("invalid_request", (await _server.ExchangeAsync("/oidc/acme/token", token, ("audience", ExchangeServer.Audience))).Error);
        Assert.Equal("invalid_request", (await _server.ExchangeAsync("/token", token)).Error);
        // Another signature over the same jti is the same token.
        var id = JsonNode.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(token.Split('.')[1]))!["jti"]!.GetValue<string>();
        Assert.Equal("invalid_request", (await _server.ExchangeAsync("/token", _server.Workload("single", claims => claims["jti"] = id))).Error);
        // Without a jti it is what is signed, whichever of its two spellings comes; and of a dozen at the same time one comes through.
        var nameless = _server.Workload("single", static claims => claims.Remove("jti"));
        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => _server.ExchangeAsync("/token", i % 2 == 0 ? nameless : EcdsaTwin.Of(nameless))));
        Assert.Single(answers, static answer => answer.Status == HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_token_that_is_bound_to_a_key_is_taken_with_a_fresh_proof_by_that_key_only()
    {
        using var key = new DpopKey();
        using var thief = new DpopKey();
        var url = _server.Url + Collections;
        var bound = await ExchangeAsync(key.Proof("POST", _server.Url + "/token"));
        Assert.Equal("DPoP", bound["token_type"]!.GetValue<string>());
        var token = bound["access_token"]!.GetValue<string>();

        var proof = key.Proof("GET", url, token);
        Assert.Equal(HttpStatusCode.OK, await _server.Door.GetBoundAsync(Collections, token, proof));
        Assert.Equal(HttpStatusCode.Unauthorized, await _server.Door.GetBoundAsync(Collections, token, proof));
        foreach (var (scheme, bad) in ((string, string?)[])[
            ("Bearer", null), ("Bearer", key.Proof("GET", url, token)), ("DPoP", null), ("DPoP", thief.Proof("GET", url, token)), ("DPoP", key.Proof("POST", url, token)),
            ("DPoP", key.Proof("GET", _server.Url + "/v1/workspaces", token)), ("DPoP", key.Proof("GET", url)), ("DPoP", "x")])
            Assert.Equal(HttpStatusCode.Unauthorized, await _server.Door.GetBoundAsync(Collections, token, bad, scheme));
        // A token that is bound to nothing does not become better by a proof.
        var free = await _server.ApiTokenAsync();
        Assert.Equal(HttpStatusCode.Unauthorized, await _server.Door.GetBoundAsync(Collections, free, key.Proof("GET", url, free)));

        // Exchanged again it needs its key, and what comes out is bound to the same.
        Assert.Equal("invalid_dpop_proof", (await ExchangeAsync(null, token))["error"]!.GetValue<string>());
        Assert.Equal("invalid_dpop_proof", (await ExchangeAsync(thief.Proof("POST", _server.Url + "/token"), token))["error"]!.GetValue<string>());
        Assert.Equal(key.Thumbprint, ClaimsOf((await ExchangeAsync(key.Proof("POST", _server.Url + "/token"), token))["access_token"]!.GetValue<string>())["cnf"]!["jkt"]!.GetValue<string>());
        Assert.Equal("invalid_dpop_proof", (await ExchangeAsync(key.Proof("POST", _server.Url + "/elsewhere")))["error"]!.GetValue<string>());
        await PolicyAsync("looker", $$"""{"introspect":["{{_server.Url}}"]}""");
        var looked = await _server.PostAsync("/introspect", _server.Workload("looker"), ("token", token));
        Assert.Equal(("DPoP", key.Thumbprint), (looked.Json["token_type"]?.GetValue<string>(), looked.Json["cnf"]?["jkt"]?.GetValue<string>()));
    }

    [Fact]
    public async Task A_policy_that_asks_for_bound_tokens_gives_nothing_without_a_proof()
    {
        await PolicyAsync("strict", """{"roles":["viewer"],"audiences":["https://sts.example"]}""", "\"dpop\":true");
        using var key = new DpopKey();

        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.Door.GetAsync(Collections, _server.Workload("strict"))).Status);
        Assert.Equal("invalid_dpop_proof", (await ExchangeAsync(null, _server.Workload("strict")))["error"]!.GetValue<string>());
        Assert.Equal("DPoP", (await ExchangeAsync(key.Proof("POST", _server.Url + "/token"), _server.Workload("strict")))["token_type"]!.GetValue<string>());
        var identity = await _server.Door.FormAsync("/oidc/acme/token", key.Proof("POST", _server.Url + "/oidc/acme/token"), [.. Fields(_server.Workload("strict")), ("audience", ExchangeServer.Audience)]);
        Assert.Equal(key.Thumbprint, ClaimsOf(identity.Json["access_token"]!.GetValue<string>())["cnf"]!["jkt"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_principal_exchanges_no_more_often_in_a_minute_than_its_policy_lets_it_and_others_are_not_hindered()
    {
        await PolicyAsync("busy", """{"roles":["viewer"]}""", "\"perMinute\":3");
        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => _server.ExchangeAsync("/token", _server.Workload("busy"))));

        // A minute may end in between.
        Assert.InRange(answers.Count(static answer => answer.Status == HttpStatusCode.OK), 3, 6);
        Assert.All(answers.Where(static answer => answer.Status != HttpStatusCode.OK), static answer => Assert.Equal(HttpStatusCode.TooManyRequests, answer.Status));
        Assert.Equal(HttpStatusCode.OK, (await _server.ExchangeAsync("/token", _server.Workload())).Status);
    }

    [Fact]
    [Line("6.7")]
    public async Task A_policy_for_audit_only_gives_nothing_and_writes_down_what_it_would_have_given()
    {
        await PolicyAsync("trial", """{"roles":["viewer"]}""", "\"mode\":\"audit\"");
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.Door.GetAsync(Collections, _server.Workload("trial"))).Status);
        Assert.Equal("invalid_request", (await _server.ExchangeAsync("/token", _server.Workload("trial"))).Error);

        var events = await _server.EventsAsync("trust-policy.would-allow");
        Assert.Equal(2, events.Count);
        Assert.Equal(("trial", "policy:ci:trial"), (events[0].GetProperty("details").GetProperty("policy").GetString(), events[0].GetProperty("details").GetProperty("principal").GetString()));

        // What it rests on is not changed by a trial beside it; and what was given ends when the policy becomes one.
        await PolicyAsync("real", """{"roles":["viewer"]}""");
        var token = (await _server.ExchangeAsync("/token", _server.Workload("real"))).Json["access_token"]!.GetValue<string>();
        await PolicyAsync("real", """{"roles":["viewer"]}""", "\"mode\":\"audit\"", "*");
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.Door.GetAsync(Collections, token)).Status);
    }

    private async Task PolicyAsync(string subject, string allow, string? more = null, string? ifMatch = null)
    {
        var (status, json) = await _server.Door.SendAsync(
            HttpMethod.Put, $"/v1/workspaces/acme/trust-policies/{subject}",
            $$$"""{"spec":{"issuer":"ci","claims":{"sub":"{{{subject}}}"},"allow":{{{allow}}}{{{(more is null ? "" : "," + more)}}}}}""", ifMatch: ifMatch);
        Assert.True(status is HttpStatusCode.Created or HttpStatusCode.OK, json.ToJsonString());
    }

    private Task<OAuthAnswer> ActAsync(string subject, string actor, string path = "/token", (string, string)? more = null, Action<JsonObject>? change = null)
    {
        (string, string)[] fields = [("actor_token", _server.Workload(actor)), ("actor_token_type", OAuthNames.TokenTypeJwt), .. more is { } one ? new[] { one } : []];
        return _server.ExchangeAsync(path, _server.Workload(subject, change), fields);
    }

    private async Task<JsonNode> ExchangeAsync(string? proof, string? token = null) => (await _server.Door.FormAsync("/token", proof, Fields(token ?? _server.Workload()))).Json;

    private static (string, string)[] Fields(string token) => [("grant_type", OAuthNames.GrantTokenExchange), ("subject_token", token), ("subject_token_type", OAuthNames.TokenTypeJwt)];

    private static JsonNode ClaimsOf(OAuthAnswer answer)
    {
        Assert.True(answer.Status == HttpStatusCode.OK, answer.Json.ToJsonString());
        return ClaimsOf(answer.Json["access_token"]!.GetValue<string>());
    }

    private static JsonNode ClaimsOf(string token) => JsonNode.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(token.Split('.')[1]))!;
}
