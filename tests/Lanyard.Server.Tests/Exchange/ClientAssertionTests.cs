using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Identity;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.OAuth;
using Lanyard.Server.Federation;
using Lanyard.Server.Http;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Exchange;

/// <summary><c>private_key_jwt</c> (RFC 7523): what a client assertion must be like, clause by clause, and that each is good once.</summary>
[Line("2.5")]
[Line("2.13")]
public sealed class ClientAssertionTests : IAsyncLifetime
{
    private ExchangeServer _server = null!;
    private SigningKey _key = null!;

    private string ClientId => AdminKeys.ClientId(_key.Public);

    public async ValueTask InitializeAsync()
    {
        _server = await ExchangeServer.StartAsync();
        _key = SigningKey.FromPem(await File.ReadAllTextAsync(Path.Combine(_server.Door.Folder, AdminKeys.FileName))).Value;
    }

    public async ValueTask DisposeAsync()
    {
        _key.Dispose();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task An_assertion_gives_a_token_once_and_its_replay_is_refused_at_every_endpoint()
    {
        var assertion = Assertion();
        var first = await AskAsync(assertion);
        Assert.True(first is { Status: HttpStatusCode.OK, IsNotStored: true }, $"{first}");
        Assert.Equal(HttpStatusCode.OK, (await _server.Door.GetAsync("/v1/admin-keys", first.Json["access_token"]!.GetValue<string>())).Status);
        Assert.InRange(first.Json["expires_in"]!.GetValue<int>(), 1, 600);

        RefusedAs(RefusalReason.Replayed, await AskAsync(assertion));
        RefusedAs(RefusalReason.Replayed, await _server.PostAsync("/introspect", null, [.. Client(assertion), ("token", "x")]));
        Assert.Equal(["allowed", "refused"], (await _server.EventsAsync("token.client", assertion)).Select(static e => e.GetProperty("decision").GetString()));
    }

    [Theory]
    [Line("6.5")]
    [InlineData("principal")]
    [InlineData("key")]
    public async Task A_client_that_was_revoked_by_name_or_by_its_keys_thumbprint_has_no_token_and_introspects_nothing(string kind)
    {
        var issued = (await AskAsync(Assertion())).Json["access_token"]!.GetValue<string>();
        var value = kind == "key" ? _key.Public.Thumbprint : $"admin:{ClientId}";
        var (status, json) = await _server.Door.SendAsync(HttpMethod.Post, "/v1/revocations", new JsonObject { ["kind"] = kind, ["value"] = value, ["reason"] = "leaked" }.ToJsonString());
        Assert.True(status == HttpStatusCode.Created, json.ToJsonString());

        RefusedAs(RefusalReason.Revoked, await AskAsync(Assertion()));
        RefusedAs(RefusalReason.Revoked, await _server.PostAsync("/introspect", null, [.. Client(Assertion()), ("token", issued)]));
        // What was given before ends with it.
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.Door.GetAsync("/v1/admin-keys", issued)).Status);
    }

    [Theory]
    [Line("2.8")]
    [Line("6.5")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_host_whose_key_was_revoked_can_not_ask_to_become_a_runner_again(bool wasWaiting)
    {
        using var host = SigningKey.Generate(SignatureAlgorithm.ES256);
        if (wasWaiting) Assert.Equal(HttpStatusCode.OK, (await AskAsHostAsync(host)).Status);
        var revocation = new JsonObject { ["kind"] = "key", ["value"] = host.Public.Thumbprint, ["reason"] = "the disk was stolen" };
        Assert.Equal(HttpStatusCode.Created, (await _server.Door.SendAsync(HttpMethod.Post, "/v1/revocations", revocation.ToJsonString())).Status);

        var (status, json) = await AskAsHostAsync(host);

        Assert.Equal((HttpStatusCode.Unauthorized, RefusalText.Of(RefusalReason.Revoked)), (status, json["title"]!.GetValue<string>()));
        Assert.DoesNotContain("stolen", json.ToJsonString(), StringComparison.Ordinal);
        var told = (await _server.Door.AuditAsync("runner.request"))[^1];
        Assert.Contains("\"decision\":\"refused\"", told, StringComparison.Ordinal);
        Assert.Contains($"key {host.Public.Thumbprint} was revoked", told, StringComparison.Ordinal);
        Assert.Contains("the disk was stolen", told, StringComparison.Ordinal);
        using var another = SigningKey.Generate(SignatureAlgorithm.ES256);
        Assert.Equal(HttpStatusCode.OK, (await AskAsHostAsync(another)).Status);
    }

    private Task<(HttpStatusCode Status, JsonNode Json)> AskAsHostAsync(SigningKey host) => _server.Door.SendAsync(
        HttpMethod.Post, "/v1/runner/requests", $$"""{"publicKey":{{AdminKeys.Jwk(host.Public)}},"name":"builder","hostname":"h"}""",
        Signed(host, Claims(AdminKeys.ClientId(host.Public))));

    [Fact]
    public async Task Two_uses_at_once_of_one_assertion_give_one_token()
    {
        var assertion = Assertion();
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => AskAsync(assertion)));
        Assert.Single(answers, static answer => answer.Status == HttpStatusCode.OK);
    }

    [Fact]
    public async Task Each_clause_of_an_assertion_is_asked_for_and_its_lack_audited()
    {
        using var stranger = SigningKey.Generate(SignatureAlgorithm.ES256);
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        (string What, string Assertion, RefusalReason Reason)[] bad =
        [
            ("no jti", Assertion(c => c.Remove("jti")), RefusalReason.ClaimMissing),
            ("no exp", Assertion(c => c.Remove("exp")), RefusalReason.ClaimMissing),
            ("no sub", Assertion(c => c.Remove("sub")), RefusalReason.ClaimMissing),
            ("another sub", Assertion(c => c["sub"] = "key_another"), RefusalReason.ConditionFailed),
            ("another audience", Assertion(c => c["aud"] = "https://elsewhere.example"), RefusalReason.AudienceMismatch),
            ("the audience of a workspace", Assertion(c => c["aud"] = _server.Url + "/oidc/acme"), RefusalReason.AudienceMismatch),
            ("no audience", Assertion(c => c.Remove("aud")), RefusalReason.AudienceMismatch),
            ("expired", Assertion(c => (c["iat"], c["exp"]) = (now - 300, now - 100)), RefusalReason.Expired),
            ("from the future", Assertion(c => (c["iat"], c["exp"]) = (now + 100, now + 160)), RefusalReason.IssuedInFuture),
            ("too long a life", Assertion(c => (c["iat"], c["exp"]) = (now, now + 301)), RefusalReason.LifetimeTooLong),
            ("a key that nobody registered", Signed(stranger, Claims(AdminKeys.ClientId(stranger.Public))), RefusalReason.IssuerUnknown),
            ("signed by another key", Signed(stranger, Claims(ClientId), _key.KeyId), RefusalReason.SignatureInvalid),
            ("a workload token", _server.Workload(), RefusalReason.IssuerUnknown),
            ("no JWT", "a.b.c", RefusalReason.TokenMalformed),
        ];
        foreach (var (what, assertion, reason) in bad)
        {
            var answer = await AskAsync(assertion);
            Assert.Equal((what, HttpStatusCode.Unauthorized, "invalid_client", RefusalText.Of(reason)), (what, answer.Status, answer.Error, answer.Description));
            Assert.True(answer is { IsNotStored: true, AsksForCredentials: true }, what);
            var audited = Assert.Single(await _server.EventsAsync("token.client", assertion));
            Assert.Equal((what, "refused", RefusalText.NameOf(reason)), (what, audited.GetProperty("decision").GetString(), audited.GetProperty("reason").GetString()));
        }
    }

    [Theory]
    [InlineData("invalid_request", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")]
    [InlineData("invalid_request", "client_assertion_type", "")]
    [InlineData("invalid_request", "client_assertion", "")]
    [InlineData("invalid_request", "client_secret", "hunter2")]
    [InlineData("invalid_scope", "scope", "admin")]
    [InlineData("invalid_target", "audience", "https://sts.example")]
    [InlineData("invalid_client", "client_id", "key_another")]
    [InlineData("unsupported_grant_type", "grant_type", "password")]
    [InlineData("invalid_request", "grant_type", "")]
    public async Task A_request_that_is_wrong_in_one_parameter_gives_no_token(string error, string name, string value)
    {
        var fields = Client(Assertion()).Append(("grant_type", OAuthNames.GrantClientCredentials)).Where(field => field.Item1 != name).Append((name, value)).ToArray();

        var answer = await _server.PostAsync("/token", null, fields);

        Assert.Equal((error, true), (answer.Error, answer.IsNotStored));
        Assert.Null(answer.Json["access_token"]);
    }

    [Fact]
    public async Task What_is_no_form_repeats_a_parameter_or_is_too_large_is_refused_before_anything_is_used_up()
    {
        var assertion = Assertion();
        using var json = new StringContent("{}", Encoding.UTF8, "application/json");
        Assert.Equal("invalid_request", (await _server.PostAsync("/token", null, json)).Error);
        Assert.Equal("invalid_request", (await AskAsync(assertion, ("grant_type", OAuthNames.GrantClientCredentials))).Error);
        Assert.Equal("invalid_request", (await AskAsync(assertion, [.. Enumerable.Range(0, 80).Select(i => ($"x{i}", "y"))])).Error);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await AskAsync(assertion, ("x", new string('y', 70_000)))).Status);

        Assert.Equal(HttpStatusCode.OK, (await AskAsync(assertion)).Status);
    }

    [Fact]
    public async Task The_token_endpoint_itself_is_an_audience_too_and_each_issuer_takes_its_own()
    {
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(Assertion(c => c["aud"] = _server.Url + "/token"))).Status);
        Assert.Equal(HttpStatusCode.OK, (await _server.PostAsync("/oidc/acme/token", null, [.. Client(Assertion(c => c["aud"] = _server.Url + "/oidc/acme")), ("grant_type", OAuthNames.GrantClientCredentials)])).Status);
        Assert.Equal("invalid_client", (await _server.PostAsync("/oidc/acme/token", null, [.. Client(Assertion()), ("grant_type", OAuthNames.GrantClientCredentials)])).Error);
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.PostAsync("/oidc/nothing/token", null, [.. Client(Assertion()), ("grant_type", OAuthNames.GrantClientCredentials)])).Status);
    }

    private static void RefusedAs(RefusalReason reason, OAuthAnswer answer) =>
        Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client", RefusalText.Of(reason)), (answer.Status, answer.Error, answer.Description));

    private static (string, string)[] Client(string assertion) => [("client_assertion_type", OAuthNames.ClientAssertionJwtBearer), ("client_assertion", assertion)];

    private Task<OAuthAnswer> AskAsync(string assertion, params (string, string)[] more) =>
        _server.PostAsync("/token", null, [.. Client(assertion), ("grant_type", OAuthNames.GrantClientCredentials), .. more]);

    private string Assertion(Action<JsonObject>? change = null)
    {
        var claims = Claims(ClientId);
        change?.Invoke(claims);
        return Signed(_key, claims);
    }

    private JsonObject Claims(string clientId)
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        return new JsonObject { ["iss"] = clientId, ["sub"] = clientId, ["aud"] = _server.Url, ["iat"] = now, ["exp"] = now + 60, ["jti"] = Guid.NewGuid().ToString("N") };
    }

    private string Signed(SigningKey key, JsonObject claims, string? keyId = null) => keyId is null
        ? TokenMint.Mint(key, OAuthNames.TypJwt, Encoding.UTF8.GetBytes(claims.ToJsonString()))
        : _server.Issuer.MintRaw($$"""{"alg":"ES256","kid":"{{keyId}}"}""", claims.ToJsonString(), key);
}
