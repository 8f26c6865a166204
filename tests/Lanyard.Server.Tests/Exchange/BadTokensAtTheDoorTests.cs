using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Identity;
using Lanyard.Identity.Jose;
using Lanyard.Server.Http;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Server.Tests.Exchange;

/// <summary>Tokens that are wrong in one thing, at the API's door and at the token endpoint: the fixed error, the right status, one audit event, nothing changed.</summary>
[Line("2.5")]
[Line("2.12")]
public sealed class BadTokensAtTheDoorTests : IAsyncLifetime
{
    private const string Collections = "/v1/workspaces/acme/collections";
    private ExchangeServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await ExchangeServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Each_bad_token_has_its_fixed_error_its_status_and_one_audit_event_and_changes_nothing()
    {
        var before = await CountsAsync();
        var wrong = new List<string>();
        foreach (var (what, token, reason) in BadTokens())
        {
            if (!token.AsSpan().ContainsAnyExceptInRange('!', '~') && await Record.ExceptionAsync(() => AtTheDoorAsync(what, token, reason)) is { } atTheDoor) wrong.Add(atTheDoor.Message);
            if (await Record.ExceptionAsync(() => AtTheTokenEndpointAsync(what, token, reason)) is { } atTheEndpoint) wrong.Add(atTheEndpoint.Message);
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.Equal(before, await CountsAsync());
        Assert.True((await _server.Door.GetAsync("/v1/audit/verify")).Json["intact"]!.GetValue<bool>());
    }

    [Fact]
    public async Task A_thousand_tokens_with_unknown_keys_are_each_refused_and_audited_and_cause_at_most_one_fetch()
    {
        Assert.Equal(HttpStatusCode.OK, (await _server.Door.GetAsync(Collections, _server.Workload())).Status);
        var fetches = _server.Issuer.KeyRequests;
        using var forger = SigningKey.Generate(SignatureAlgorithm.ES256);
        var claims = _server.Issuer.Claims(_server.Url, "ci").ToJsonString();

        await Parallel.ForAsync(0, 1000, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (i, _) =>
        {
            var token = _server.Issuer.MintRaw($$"""{"alg":"ES256","kid":"unknown-{{i}}"}""", claims, forger);
            Assert.Equal(HttpStatusCode.Unauthorized, (await _server.Door.GetAsync(Collections, token)).Status);
        });

        Assert.InRange(_server.Issuer.KeyRequests - fetches, 0, 1);
        Assert.Equal(HttpStatusCode.OK, (await _server.Door.GetAsync(Collections, _server.Workload())).Status);
        var database = _server.Door.Database;
        Assert.Equal(1000, await database.ScalarAsync($"select count(*) from audit_events where action = 'bearer' and decision = 'refused'"));
    }

    [Theory]
    [InlineData("redirect")]
    [InlineData("lie")]
    [InlineData("slash")]
    public async Task An_issuer_whose_discovery_document_redirects_or_lies_is_believed_by_nobody_and_asked_once(string how)
    {
        await using var issuer = await TestIssuer.StartAsync();
        issuer.OnRequest = async context =>
        {
            if (how == "redirect") context.Response.Redirect(_server.Issuer.DiscoveryUrl);
            else await context.Response.WriteAsync(new JsonObject { ["issuer"] = how == "lie" ? _server.Issuer.Issuer : issuer.Issuer + "/", ["jwks_uri"] = issuer.JwksUrl }.ToJsonString());
            return true;
        };
        await _server.Door.PutAsync("/v1/workspaces/acme/trusted-issuers/lies", $$$"""{"issuer":"{{{issuer.Issuer}}}","allowPrivateAddresses":true,"keys":{"discovery":{} } }""");
        await _server.Door.PutAsync("/v1/workspaces/acme/trust-policies/lies", """{"issuer":"lies","claims":{"sub":"ci"},"allow":{"roles":["admin"]} }""");
        var token = issuer.Mint(_server.Url, "ci");

        foreach (var _ in (int[])[1, 2])
        {
            var (status, problem) = await _server.Door.GetAsync(Collections, token);
            Assert.True(status is HttpStatusCode.ServiceUnavailable or HttpStatusCode.Unauthorized, $"{status}");
            Assert.Contains(problem["title"]!.GetValue<string>(), Enum.GetValues<RefusalReason>().Where(static r => RefusalReasons.StageOf(r) == Stage.Issuer).Select(RefusalText.Of));
        }

        Assert.Equal((1, 0), (issuer.DiscoveryRequests, issuer.KeyRequests));
        Assert.Equal(2, (await _server.EventsAsync("bearer", token)).Count);
    }

    [Fact]
    [Line("2.4")]
    public async Task A_policy_with_a_typo_is_refused_with_its_place_and_the_one_before_stays()
    {
        const string path = "/v1/workspaces/acme/trust-policies/ci";
        var before = (await _server.Door.GetAsync(path)).Json;
        var audited = (await _server.Door.AuditAsync("trust-policy")).Length;

        var (status, problem) = await _server.Door.SendAsync(
            HttpMethod.Put, path, """{"spec":{"issuer":"ci","claim":{"sub":"ci"},"claims":{"sub":{"globb":"*"}},"allow":{"role":["admin"]}}}""", ifMatch: $"\"{before["etag"]!.GetValue<string>().Trim('"')}\"");

        Assert.Equal((HttpStatusCode.BadRequest, RefusalText.Of(RefusalReason.RequestMalformed)), (status, problem["title"]!.GetValue<string>()));
        var places = problem["mistakes"]!.AsArray().Select(static mistake => mistake!["path"]!.GetValue<string>()).ToHashSet(StringComparer.Ordinal);
        Assert.Superset(new HashSet<string>(["spec.allow.role", "spec.claim", "spec.claims.sub"], StringComparer.Ordinal), places);
        Assert.Equal(before.ToJsonString(), (await _server.Door.GetAsync(path)).Json.ToJsonString());
        Assert.Equal(audited, (await _server.Door.AuditAsync("trust-policy")).Length);
    }

    private async Task AtTheDoorAsync(string what, string token, RefusalReason reason)
    {
        var (status, problem) = await _server.Door.GetAsync(Collections, token);
        Assert.True((HttpStatusCode)RefusalText.StatusOf(reason) == status, $"{what}: {status} {problem}");
        Assert.Equal((what, RefusalText.Of(reason)), (what, problem["title"]!.GetValue<string>()));
        Refused(what, reason, await _server.EventsAsync("bearer", token));
    }

    private async Task AtTheTokenEndpointAsync(string what, string token, RefusalReason reason)
    {
        var answer = await _server.ExchangeAsync("/token", token);
        Assert.True(answer is { Status: HttpStatusCode.BadRequest, Error: "invalid_request", IsNotStored: true }, $"{what}: {answer}");
        Assert.Equal((what, RefusalText.Of(reason)), (what, answer.Description));
        Refused(what, reason, await _server.EventsAsync("token.exchange", token));
    }

    private static void Refused(string what, RefusalReason reason, List<JsonElement> events)
    {
        Assert.True(events.Count == 1, $"{what}: {events.Count} events");
        Assert.Equal((what, "refused", RefusalText.NameOf(reason)), (what, events[0].GetProperty("decision").GetString(), events[0].GetProperty("reason").GetString()));
    }

    private async Task<(long Policies, long Collections, long Runs)> CountsAsync()
    {
        var database = _server.Door.Database;
        return ((await database.ScalarAsync($"select count(*) from trust_policies"))!.Value, (await database.ScalarAsync($"select count(*) from collections"))!.Value,
            (await database.ScalarAsync($"select count(*) from runs"))!.Value);
    }

    private List<(string What, string Token, RefusalReason Reason)> BadTokens()
    {
        var issuer = _server.Issuer;
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        var good = _server.Workload();
        var parts = good.Split('.');
        return
        [
            ("truncated", good[..(good.LastIndexOf('.') - 5)], RefusalReason.TokenMalformed),
            ("a signature cut short", $"{parts[0]}.{parts[1]}.AAAA", RefusalReason.SignatureInvalid),
            ("padded", good + "=", RefusalReason.TokenMalformed),
            ("with a space", good + " ", RefusalReason.TokenMalformed),
            ("with a line break", parts[0] + "\n." + parts[1] + "." + parts[2], RefusalReason.TokenMalformed),
            ("a member twice", Raw(null, _server.Issuer.Claims(_server.Url, "ci").ToJsonString().Insert(1, "\"sub\":\"admin\",")), RefusalReason.DuplicateMember),
            ("huge", Claims(c => c["x"] = new string('x', 13 * 1024)), RefusalReason.TokenTooLarge),
            ("deep", Claims(c => c["x"] = JsonNode.Parse(new string('[', 9) + new string(']', 9))), RefusalReason.NestedTooDeep),
            ("alg none", Unsigned("none"), RefusalReason.AlgorithmNotAllowed),
            ("alg none, signed", Headed("none"), RefusalReason.AlgorithmNotAllowed),
            ("alg HS256", Headed("HS256"), RefusalReason.AlgorithmNotAllowed),
            ("alg in lower case", Headed("es256"), RefusalReason.AlgorithmNotAllowed),
            ("alg that is not the key's", Headed("RS256"), RefusalReason.AlgorithmMismatch),
            ("an unknown issuer", Claims(c => c["iss"] = "https://nobody.example"), RefusalReason.IssuerUnknown),
            ("an issuer with a slash behind it", Claims(c => c["iss"] = issuer.Issuer + "/"), RefusalReason.IssuerUnknown),
            ("a wrong audience", Claims(c => c["aud"] = _server.Url + "/"), RefusalReason.AudienceMismatch),
            ("no audience", Claims(c => c.Remove("aud")), RefusalReason.AudienceMismatch),
            ("expired", Claims(c => (c["iat"], c["nbf"], c["exp"]) = (now - 700, now - 700, now - 100)), RefusalReason.Expired),
            ("issued in the future", Claims(c => (c["iat"], c["exp"]) = (now + 120, now + 300)), RefusalReason.IssuedInFuture),
            ("not valid yet", Claims(c => c["nbf"] = now + 120), RefusalReason.NotYetValid),
            ("no exp", Claims(c => c.Remove("exp")), RefusalReason.ClaimMissing),
            ("no iat", Claims(c => c.Remove("iat")), RefusalReason.ClaimMissing),
            ("exp as text", Claims(c => c["exp"] = $"{now + 300}"), RefusalReason.ClaimMalformed),
            ("a life of two days", Claims(c => c["exp"] = now + (2 * 86_400)), RefusalReason.LifetimeTooLong),
            ("an unknown key", Raw("""{"alg":"ES256","kid":"another"}""", issuer.Claims(_server.Url, "ci").ToJsonString()), RefusalReason.KeyUnknown),
            ("no policy's", _server.Workload("stranger"), RefusalReason.NoMatchingPolicy),
        ];

        string Claims(Action<JsonObject> change) => _server.Workload("ci", change);
        string Raw(string? header, string claims) => issuer.MintRaw(header ?? issuer.Header(), claims);
        string Headed(string algorithm) => Raw($$"""{"alg":"{{algorithm}}","kid":"{{issuer.Key.KeyId}}"}""", issuer.Claims(_server.Url, "ci").ToJsonString());
        string Unsigned(string algorithm) =>
            $"{Base64Url.Encode(Encoding.UTF8.GetBytes($$"""{"alg":"{{algorithm}}","kid":"{{issuer.Key.KeyId}}"}"""))}.{Base64Url.Encode(Encoding.UTF8.GetBytes(issuer.Claims(_server.Url, "ci").ToJsonString()))}.";
    }
}
