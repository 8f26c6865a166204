using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Exchange;

/// <summary>Explain shows every step of the chain in order and the one that refused, to admins, and uses nothing up.</summary>
[Line("2.5")]
[Line("6.7")]
public sealed class ExplainEndpointTests : IAsyncLifetime
{
    private ExchangeServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await ExchangeServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task A_good_token_shows_all_steps_in_order_and_who_it_is_and_for_what_it_may_have_a_token()
    {
        var (status, said) = await ExplainAsync(_server.Workload(), ExchangeServer.Audience);

        Assert.Equal((HttpStatusCode.OK, "policy:ci:ci", (string?)null), (status, said["principal"]!.GetValue<string>(), said["refusal"]?.GetValue<string>()));
        var steps = Steps(said);
        Assert.All(steps, static step => Assert.True(step.Passed));
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 9], steps.Select(static step => step.Number).Distinct());
        Assert.Equal(steps.Select(static step => step.Number).Order(), steps.Select(static step => step.Number));
    }

    [Fact]
    public async Task Of_a_bad_token_the_last_step_is_the_one_that_refused()
    {
        var issuer = _server.Issuer;
        var claims = issuer.Claims(_server.Url, "ci").ToJsonString();
        (int Step, string Token, string Refusal)[] bad =
        [
            (1, "a.b", "Shape/TokenMalformed"),
            (2, issuer.MintRaw("""{"alg":"ES256","crit":["x"]}""", claims), "Content/CriticalHeader"),
            (3, _server.Workload("ci", c => c["iss"] = "https://nobody.example"), "Issuer/IssuerUnknown"),
            (4, issuer.MintRaw($$"""{"alg":"HS256","kid":"{{issuer.Key.KeyId}}"}""", claims), "Algorithm/AlgorithmNotAllowed"),
            (5, issuer.MintRaw("""{"alg":"ES256","kid":"another"}""", claims), "Signature/KeyUnknown"),
            (6, _server.Workload("ci", c => (c["iat"], c["nbf"], c["exp"]) = (1, 1, 2)), "Time/Expired"),
            (7, issuer.Mint("https://elsewhere.example", "ci"), "Audience/AudienceMismatch"),
            (9, _server.Workload("stranger"), "Policy/NoMatchingPolicy"),
        ];
        foreach (var (step, token, refusal) in bad)
        {
            var (status, said) = await ExplainAsync(token);
            Assert.Equal((HttpStatusCode.OK, refusal, (string?)null), (status, said["refusal"]!.GetValue<string>(), said["principal"]?.GetValue<string>()));
            var steps = Steps(said);
            Assert.Equal((step, false), (steps[^1].Number, steps[^1].Passed));
            Assert.All(steps.Where(s => s.Number < step), static s => Assert.True(s.Passed));
        }

        Assert.Equal("Request/AudienceNotAllowed", (await ExplainAsync(_server.Workload(), "https://elsewhere.example")).Json["refusal"]!.GetValue<string>().Replace("Policy/", "Request/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Explaining_mints_nothing_uses_nothing_up_and_is_itself_audited_without_the_token()
    {
        var token = _server.Workload();
        await ExplainAsync(token, ExchangeServer.Audience);
        await ExplainAsync(token);

        Assert.Empty(await _server.EventsAsync("token.exchange"));
        Assert.Empty(await _server.EventsAsync("bearer"));
        Assert.Equal(2, (await _server.EventsAsync("token.explain")).Count);
        Assert.DoesNotContain(token, string.Join('\n', await _server.Door.AuditAsync("")), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await _server.ExchangeAsync("/token", token)).Status);
    }

    [Fact]
    public async Task Who_does_not_administer_what_judges_the_token_is_told_nothing()
    {
        var body = new JsonObject { ["token"] = _server.Workload(), ["workspace"] = "acme" }.ToJsonString();
        Assert.Equal(HttpStatusCode.Forbidden, (await PostAsync(body, _server.Workload())).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await PostAsync(body.Replace("acme", "other", StringComparison.Ordinal), _server.Workload())).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await PostAsync(body, "")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await PostAsync("""{"token":7}""", null)).Status);
    }

    private static List<(int Number, bool Passed)> Steps(JsonNode said) =>
        [.. said["steps"]!.AsArray().Select(static step => (step!["step"]!.GetValue<int>(), step["passed"]!.GetValue<bool>()))];

    private Task<(HttpStatusCode Status, JsonNode Json)> ExplainAsync(string token, string? audience = null)
    {
        var body = new JsonObject { ["token"] = token, ["workspace"] = "acme" };
        if (audience is not null) body["audience"] = audience;
        return PostAsync(body.ToJsonString(), null);
    }

    private Task<(HttpStatusCode Status, JsonNode Json)> PostAsync(string body, string? bearer) => _server.Door.SendAsync(HttpMethod.Post, "/v1/explain", body, bearer);
}
