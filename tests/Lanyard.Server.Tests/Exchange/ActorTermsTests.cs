using System.Net;
using Lanyard.Protocol.OAuth;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Exchange;

/// <summary>The terms of an actor's own policy: acting for somebody is an exchange of the actor's token too.</summary>
[Line("6.5")]
public sealed class ActorTermsTests : IAsyncLifetime
{
    private ExchangeServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await ExchangeServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task What_an_actors_own_policy_asks_of_its_exchanges_is_asked_when_it_acts_for_somebody()
    {
        await PolicyAsync("bound", """{"roles":["viewer"]}""", "\"dpop\":true");
        await PolicyAsync("single", """{"roles":["viewer"]}""", "\"once\":true");
        await PolicyAsync("busy", """{"roles":["viewer"]}""", "\"perMinute\":3");
        await PolicyAsync("lead", """{"roles":["operator"],"audiences":["https://sts.example"],"actors":["policy:ci:bound","policy:ci:single","policy:ci:busy"]}""");

        Assert.Equal("invalid_dpop_proof", (await ActAsync("bound")).Error);
        using var key = new DpopKey();
        var proven = await _server.Door.FormAsync("/token", key.Proof("POST", _server.Url + "/token"), [.. Fields(_server.Workload("lead")), .. Actor(_server.Workload("bound"))]);
        Assert.True(proven.Status == HttpStatusCode.OK, proven.Json.ToJsonString());

        // Used up by one that succeeds, whoever it acts for, and by nothing else.
        var once = Actor(_server.Workload("single"));
        Assert.Equal("invalid_target", (await _server.ExchangeAsync("/oidc/acme/token", _server.Workload("lead"), [.. once, ("audience", "https://elsewhere.example")])).Error);
        Assert.Equal(HttpStatusCode.OK, (await _server.ExchangeAsync("/token", _server.Workload("lead"), once)).Status);
        Assert.Equal("invalid_request", (await _server.ExchangeAsync("/token", _server.Workload("lead"), once)).Error);
        Assert.Equal("invalid_request", (await _server.ExchangeAsync("/oidc/acme/token", _server.Workload("lead"), [.. once, ("audience", ExchangeServer.Audience)])).Error);
        Assert.Equal("invalid_request", (await _server.ExchangeAsync("/token", once[0].Value)).Error);

        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => ActAsync("busy")));
        // A minute may end in between.
        Assert.InRange(answers.Count(static answer => answer.Status == HttpStatusCode.OK), 3, 6);
        Assert.All(answers.Where(static answer => answer.Status != HttpStatusCode.OK), static answer => Assert.Equal(HttpStatusCode.TooManyRequests, answer.Status));
    }

    private Task PolicyAsync(string subject, string allow, string more = "") => _server.Door.PutAsync(
        $"/v1/workspaces/acme/trust-policies/{subject}", $$$"""{"issuer":"ci","claims":{"sub":"{{{subject}}}"},"allow":{{{allow}}}{{{(more.Length == 0 ? "" : "," + more)}}}}""");

    private Task<OAuthAnswer> ActAsync(string actor) => _server.ExchangeAsync("/token", _server.Workload("lead"), Actor(_server.Workload(actor)));

    private static (string Name, string Value)[] Actor(string token) => [("actor_token", token), ("actor_token_type", OAuthNames.TokenTypeJwt)];

    private static (string, string)[] Fields(string token) => [("grant_type", OAuthNames.GrantTokenExchange), ("subject_token", token), ("subject_token_type", OAuthNames.TokenTypeJwt)];
}
