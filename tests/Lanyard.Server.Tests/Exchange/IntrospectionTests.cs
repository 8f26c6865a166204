using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Identity;
using Lanyard.Protocol.OAuth;
using Lanyard.Server.Http;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Exchange;

/// <summary>Introspection (RFC 7662) for those whose business a token is, revocation (RFC 7009) for whoever holds it, and tokens that never outlive what they came from.</summary>
[Line("2.5")]
[Line("6.5")]
public sealed class IntrospectionTests : IAsyncLifetime
{
    private const string Inactive = """{"active":false}""";
    private ExchangeServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await ExchangeServer.StartAsync();
        await _server.AllowAsync("sts", $$$"""{"introspect":["{{{ExchangeServer.Audience}}}"] }""");
        await _server.AllowAsync("elsewhere", """{"introspect":["https://elsewhere.example"]}""");
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Members_of_the_audience_and_readers_of_the_workspace_learn_that_a_token_is_active_and_everybody_else_the_same_as_of_nothing()
    {
        var token = await _server.IdentityTokenAsync();

        foreach (var caller in (string[])[_server.Workload("sts"), await _server.ApiTokenAsync("sts"), _server.Workload()])
        {
            var active = await LookAsync(token, caller);
            Assert.True(active is { Status: HttpStatusCode.OK, IsNotStored: true }, $"{active}");
            Assert.Equal(
                (true, $"{_server.Url}/oidc/acme", ExchangeServer.Audience),
                (active.Json["active"]!.GetValue<bool>(), active.Json["iss"]!.GetValue<string>(), active.Json["aud"]!.GetValue<string>()));
            Assert.InRange(active.Json["exp"]!.GetValue<long>() - active.Json["iat"]!.GetValue<long>(), 60, 3600);
        }

        Assert.Equal(Inactive, (await LookAsync(token, _server.Workload("elsewhere"))).Json.ToJsonString());
    }

    [Fact]
    public async Task The_answers_of_token_endpoints_say_how_long_they_are_and_refusals_do_too()
    {
        using var client = new HttpClient { BaseAddress = new Uri(_server.Url) };
        foreach (var (path, field, value) in ((string, string, string)[])[("/token", "subject_token", _server.Workload()), ("/token", "subject_token", "nonsense"), ("/introspect", "token", "x")])
        {
            using var form = new FormUrlEncodedContent(new Dictionary<string, string>
            {
                ["grant_type"] = OAuthNames.GrantTokenExchange, ["subject_token_type"] = OAuthNames.TokenTypeJwt, [field] = value,
            });
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = form };
            using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
            var (said, isChunked) = (answer.Content.Headers.ContentLength, answer.Headers.TransferEncodingChunked);
            var body = await answer.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
            Assert.Equal((long?)body.Length, said);
            Assert.Null(isChunked);
            Assert.NotNull(JsonNode.Parse(body));
        }
    }

    [Fact]
    public async Task What_is_not_this_issuers_token_is_inactive_and_nothing_more_is_said()
    {
        var token = await _server.IdentityTokenAsync();
        var changed = token[..^8] + (token[^8] == 'A' ? 'B' : 'A') + token[^7..];
        foreach (var what in (string[])[changed, "", "nonsense", "a.b.c", _server.Workload(), await _server.ApiTokenAsync(), new string('x', 20_000)])
        {
            var answer = await LookAsync(what.Length == 0 ? "." : what, _server.Workload());
            Assert.Equal((HttpStatusCode.OK, Inactive), (answer.Status, answer.Json.ToJsonString()));
        }

        // The same token at another workspace's endpoint, and at one that does not exist.
        Assert.NotEqual(HttpStatusCode.OK, (await LookAsync(token, _server.Workload(), "/oidc/other/introspect")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await LookAsync(token, _server.Workload(), "/oidc/nothing/introspect")).Status);
    }

    [Fact]
    public async Task Without_a_caller_or_with_a_bad_one_nothing_is_said_and_the_refusal_is_audited()
    {
        var token = await _server.IdentityTokenAsync();
        foreach (var (caller, reason) in ((string?, RefusalReason)[])
            [(null, RefusalReason.TokenMissing), ("a.b.c", RefusalReason.TokenMalformed), (_server.Workload("stranger"), RefusalReason.NoMatchingPolicy), (token, RefusalReason.IssuerUnknown)])
        {
            var before = (await _server.EventsAsync("token.introspect")).Count;
            var answer = await LookAsync(token, caller);
            Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client", RefusalText.Of(reason)), (answer.Status, answer.Error, answer.Description));
            Assert.True(answer is { IsNotStored: true, AsksForCredentials: true }, $"{answer}");
            var events = await _server.EventsAsync("token.introspect");
            Assert.Equal((before + 1, "refused"), (events.Count, events[^1].GetProperty("decision").GetString()));
        }

        Assert.Equal("invalid_request", (await _server.PostAsync("/oidc/acme/introspect", _server.Workload())).Error);
    }

    [Fact]
    public async Task A_revoked_token_is_inactive_and_refused_from_that_moment_and_an_unknown_one_is_answered_the_same()
    {
        var (identity, api) = (await _server.IdentityTokenAsync(), await _server.ApiTokenAsync());
        Assert.Equal(HttpStatusCode.OK, (await _server.Door.GetAsync("/v1/workspaces/acme/collections", api)).Status);

        Assert.True(await _server.PostAsync("/oidc/acme/revoke", null, ("token", identity)) is { Status: HttpStatusCode.OK, IsNotStored: true });
        Assert.Equal(HttpStatusCode.OK, (await _server.PostAsync("/revoke", null, ("token", api))).Status);

        Assert.Equal(Inactive, (await LookAsync(identity, _server.Workload())).Json.ToJsonString());
        var (status, problem) = await _server.Door.GetAsync("/v1/workspaces/acme/collections", api);
        Assert.Equal((HttpStatusCode.Unauthorized, RefusalText.Of(RefusalReason.Revoked)), (status, problem["title"]!.GetValue<string>()));
        Assert.Equal(RefusalText.Of(RefusalReason.Revoked), (await _server.ExchangeAsync("/token", api)).Description);
        Assert.Single(await _server.EventsAsync("token.revoke", identity));
        Assert.Single(await _server.EventsAsync("token.revoke", api));

        // What is nobody's, another issuer's or revoked before: the same answer, and no further event of a change.
        foreach (var (path, what) in ((string, string)[])[("/revoke", "nonsense"), ("/revoke", identity + "x"), ("/revoke", await _server.IdentityTokenAsync()), ("/oidc/acme/revoke", _server.Workload())])
        {
            Assert.Equal(HttpStatusCode.OK, (await _server.PostAsync(path, null, ("token", what))).Status);
            Assert.Empty(await _server.EventsAsync("token.revoke", what));
        }

        Assert.Equal("invalid_request", (await _server.PostAsync("/revoke", null)).Error);
        Assert.Equal(HttpStatusCode.OK, (await _server.Door.GetAsync("/v1/workspaces/acme/collections", await _server.ApiTokenAsync())).Status);
    }

    [Fact]
    public async Task No_token_outlives_the_one_that_it_came_from_and_no_answer_of_the_token_endpoint_may_be_stored()
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        var brief = _server.Workload("ci", c => c["exp"] = now + 120);

        var api = await _server.ExchangeAsync("/token", brief);
        var identity = await _server.ExchangeAsync("/oidc/acme/token", brief, ("audience", ExchangeServer.Audience), ("expires_in", "600"));

        foreach (var answer in (OAuthAnswer[])[api, identity])
        {
            Assert.True(answer.IsNotStored);
            Assert.InRange(answer.Json["expires_in"]!.GetValue<int>(), 1, 120);
            Assert.InRange(ExpiryOf(answer.Json["access_token"]!.GetValue<string>()), now, now + 120);
        }

        var dying = await _server.ExchangeAsync("/oidc/acme/token", _server.Workload("ci", c => c["exp"] = now + 59), ("audience", ExchangeServer.Audience));
        Assert.Equal((RefusalText.Of(RefusalReason.LifetimeTooShort), true), (dying.Description, dying.IsNotStored));
    }

    [Theory]
    [InlineData("invalid_request", "subject_token", "")]
    [InlineData("invalid_request", "subject_token_type", "urn:ietf:params:oauth:token-type:saml2")]
    [InlineData("invalid_request", "actor_token", "x")]
    [InlineData("invalid_request", "requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")]
    [InlineData("invalid_target", "audience", "https://elsewhere.example")]
    [InlineData("invalid_target", "requested_token_type", OAuthNames.TokenTypeAccessToken)]
    [InlineData("invalid_scope", "subject", "another")]
    [InlineData("invalid_request", "expires_in", "59")]
    [InlineData("invalid_request", "expires_in", "1e3")]
    public async Task An_exchange_that_is_wrong_in_one_parameter_gives_no_token_and_is_audited(string error, string name, string value)
    {
        var token = _server.Workload();
        (string, string)[] fields =
        [
            ("grant_type", OAuthNames.GrantTokenExchange), ("subject_token", token), ("subject_token_type", OAuthNames.TokenTypeJwt), ("audience", ExchangeServer.Audience),
        ];

        var answer = await _server.PostAsync("/oidc/acme/token", null, [.. fields.Where(field => field.Item1 != name), (name, value)]);

        Assert.Equal((HttpStatusCode.BadRequest, error), (answer.Status, answer.Error));
        Assert.Equal("refused", Assert.Single(await _server.EventsAsync("token.exchange")).GetProperty("decision").GetString());
    }

    private Task<OAuthAnswer> LookAsync(string token, string? caller, string path = "/oidc/acme/introspect") => _server.PostAsync(path, caller, ("token", token));

    private static long ExpiryOf(string token) => JsonNode.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(token.Split('.')[1]))!["exp"]!.GetValue<long>();
}
