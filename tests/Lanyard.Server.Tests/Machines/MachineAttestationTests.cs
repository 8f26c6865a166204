using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.OAuth;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Clusters;
using Lanyard.Server.Federation;
using Lanyard.Server.Machines;
using Lanyard.Server.Tests.Federation;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Machines;

/// <summary>Hosts that prove themselves get their machine's token, and nobody else does; machines that live renew themselves.</summary>
[Line("4.1")]
public sealed class MachineAttestationTests : IAsyncLifetime
{
    private const string Subject = "system:serviceaccount:builds:vm";
    private readonly ManualTime _time = new();
    private DoorServer _server = null!;
    private TestIssuer _cluster = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await DoorServer.StartAsync(_time);
        _cluster = await TestIssuer.StartAsync(_time);
        foreach (var workspace in (string[])["acme", "other"])
        {
            await _server.PutAsync($"/v1/workspaces/{workspace}", "{}");
            await RegisterAsync(workspace);
        }

        await _server.PutAsync("/v1/workspaces/acme/machine-identities/vm", Spec());
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _cluster.DisposeAsync();
    }

    [Fact]
    public async Task A_service_account_of_the_cluster_gets_the_machine_that_was_written_for_it_and_its_token_works()
    {
        var (status, json) = await AskAsync(_cluster.Mint(_server.Url, Subject));

        Assert.True(status == HttpStatusCode.Created, json.ToJsonString());
        var me = (await _server.GetAsync("/runtime/whoami", json["token"]!.GetValue<string>())).Json;
        Assert.Equal(("machine", "demo/app", "refs/heads/main"), (me["kind"]!.GetValue<string>(), me["repository"]!.GetValue<string>(), me["ref"]!.GetValue<string>()));
        Assert.Equal("identity:vm", json["machine"]!["createdBy"]!.GetValue<string>());
        Assert.Contains(Subject, Assert.Single(await _server.AuditAsync("machine.attest")), StringComparison.Ordinal);

        await _server.Services.GetRequiredService<MachineSightings>().WriteAsync(CancellationToken.None);
        var listed = (await _server.GetAsync("/v1/workspaces/acme/machines")).Json["items"]![0]!;
        Assert.Equal(_time.GetUtcNow(), DateTimeOffset.Parse(listed["lastSeenAt"]!.GetValue<string>(), System.Globalization.CultureInfo.InvariantCulture));
    }

    [Fact]
    public async Task Whoever_is_somebody_else_hears_what_is_heard_where_there_is_nothing()
    {
        await using var stranger = await TestIssuer.StartAsync(_time);
        var good = _cluster.Mint(_server.Url, Subject);
        var nothing = Without(await AskAsync(good, "nothing"));

        foreach (var token in (string[])
        [
            _cluster.Mint(_server.Url, Subject + "2"),
            _cluster.Mint("https://elsewhere.example", Subject),
            _cluster.Mint(_server.Url, Subject, claims => claims["exp"] = claims["iat"]!.GetValue<long>() - 1000),
            stranger.Mint(_server.Url, Subject, claims => claims["iss"] = _cluster.Issuer),
            "nonsense",
        ])
            Assert.Equal(nothing, Without(await AskAsync(token)));

        // The same cluster is known to another workspace, which has no such identity.
        Assert.Equal(nothing, Without(await AskAsync(good, workspace: "other")));
        Assert.Equal(nothing, Without(await AskAsync(good, workspace: "no-such-workspace")));
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync("")).Status);
        Assert.True((await _server.AuditAsync("machine.attest")).Length >= 8);
    }

    [Fact]
    public async Task An_identity_that_is_taken_away_or_changed_lets_nobody_in_any_more()
    {
        var token = _cluster.Mint(_server.Url, Subject);
        Assert.Equal(HttpStatusCode.Created, (await AskAsync(token)).Status);

        await _server.SendAsync(HttpMethod.Put, "/v1/workspaces/acme/machine-identities/vm", "{\"spec\":" + Spec("system:serviceaccount:builds:other") + "}", ifMatch: "*");

        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(token)).Status);
    }

    [Fact]
    public async Task The_host_key_of_a_runner_proves_its_machine_once_for_each_assertion()
    {
        using var key = SigningKey.Generate(SignatureAlgorithm.ES256);
        using var another = SigningKey.Generate(SignatureAlgorithm.ES256);
        var runner = await RunnerAsync(key, "one");
        await RunnerAsync(another, "two");
        await _server.PutAsync("/v1/workspaces/acme/machine-identities/host", $$$"""{"proof":{"runner":"{{{runner}}}"},"machine":{"repository":"demo/app","ref":"refs/heads/main"}}""");
        var assertion = Assertion(key);

        Assert.Equal(HttpStatusCode.Created, (await AskAsync(assertion, "host")).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(assertion, "host")).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(Assertion(another), "host")).Status);
        Assert.Equal(HttpStatusCode.Created, (await AskAsync(Assertion(key), "host")).Status);
    }

    [Theory]
    [InlineData("""{"proof":{},"machine":{}}""", "spec.proof")]
    [InlineData("""{"proof":{"cluster":"lab","subject":"s","runner":"rnr_01k00000000000000000000000"},"machine":{}}""", "spec.proof")]
    [InlineData("""{"proof":{"cluster":"lab"},"machine":{}}""", "spec.proof.subject")]
    [InlineData("""{"proof":{"runner":"build-1"},"machine":{}}""", "spec.proof.runner")]
    [InlineData("""{"proof":{"cluster":"lab","subject":"s"},"machine":{"lifetimeSeconds":1,"ref":"main"}}""", "spec.machine.lifetimeSeconds")]
    [InlineData("""{"proof":{"cluster":"lab","subject":"s"},"machine":{"operations":[{"collection":"none","definition":"d","actions":["start"]}]}}""", "spec.machine.operations[0].collection")]
    [InlineData("""{"proof":{"cluster":"lab","subject":"s"},"machine":{},"audiences":["a","b c"]}""", "spec.audiences[1]")]
    [InlineData("""{"proof":{"cluster":"lab","subject":"s"},"machine":{},"audiences":["a","a"]}""", "spec.audiences[1]")]
    [InlineData("""{"proof":{"cluster":"lab","subject":"s"},"machine":{},"audiences":[""]}""", "spec.audiences[0]")]
    public async Task What_is_wrong_with_an_identity_is_said_when_it_is_written(string spec, string path)
    {
        var (status, json) = await _server.SendAsync(HttpMethod.Put, "/v1/workspaces/acme/machine-identities/x", "{\"spec\":" + spec + "}");

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains($"\"{path}\"", json.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_machine_renews_itself_for_a_day_and_no_longer_and_a_dead_one_does_not()
    {
        var made = (await AskAsync(_cluster.Mint(_server.Url, Subject))).Json;
        var token = made["token"]!.GetValue<string>();
        var born = _time.GetUtcNow();
        for (var hours = 0.5; hours < 23.6; hours += 0.5)
        {
            _time.Advance(TimeSpan.FromMinutes(30));
            var (status, json) = await _server.SendAsync(HttpMethod.Post, "/runtime/machines/renew", bearer: token);
            Assert.True(status == HttpStatusCode.OK, $"{hours}: {json.ToJsonString()}");
            Assert.Equal(born.AddHours(Math.Min(24, hours + 1)), DateTimeOffset.Parse(json["machine"]!["expiresAt"]!.GetValue<string>(), System.Globalization.CultureInfo.InvariantCulture));
            token = json["token"]!.GetValue<string>();
        }

        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/runtime/whoami", token)).Status);
        _time.Advance(TimeSpan.FromMinutes(31));
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.GetAsync("/runtime/whoami", token)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.SendAsync(HttpMethod.Post, "/runtime/machines/renew", bearer: token)).Status);
    }

    [Fact]
    public async Task A_deleted_machine_does_not_renew_itself_back_to_life()
    {
        var made = (await AskAsync(_cluster.Mint(_server.Url, Subject))).Json;
        await _server.SendAsync(HttpMethod.Delete, $"/v1/workspaces/acme/machines/{made["machine"]!["id"]!.GetValue<string>()}");

        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.SendAsync(HttpMethod.Post, "/runtime/machines/renew", bearer: made["token"]!.GetValue<string>())).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.SendAsync(HttpMethod.Post, "/runtime/machines/renew", bearer: "")).Status);
    }

    [Fact]
    [Line("4.2")]
    public async Task A_machine_that_proved_itself_has_identity_tokens_for_the_audiences_written_beside_the_proof_and_for_no_others()
    {
        await _server.PutAsync("/v1/workspaces/acme/machine-identities/cloud", WithAudiences("sts.example"));
        var made = (await AskAsync(_cluster.Mint(_server.Url, Subject), "cloud")).Json;
        var token = made["token"]!.GetValue<string>();

        var (status, given) = await _server.ExchangeAsync("/oidc/acme/token", token, "sts.example");

        Assert.True(status == HttpStatusCode.OK, given.ToJsonString());
        var claims = UnverifiedToken.Parse(given["access_token"]!.GetValue<string>()).Value.Claims;
        Assert.Equal(
            ("workspace:acme:machine:cloud", $"{_server.Url}/oidc/acme", "sts.example", made["machine"]!["id"]!.GetValue<string>(), "cloud", "demo/app", "refs/heads/main"),
            (Text("sub"), Text("iss"), Text("aud"), Text("machine"), Text("machine_identity"), Text("repository"), Text("ref")));

        // Another audience, another workspace's issuer, a machine that proves another identity, and one that somebody merely registered.
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.ExchangeAsync("/oidc/acme/token", token, "https://elsewhere.example")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.ExchangeAsync("/oidc/other/token", token, "sts.example")).Status);
        var plain = (await AskAsync(_cluster.Mint(_server.Url, Subject))).Json["token"]!.GetValue<string>();
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.ExchangeAsync("/oidc/acme/token", plain, "sts.example")).Status);
        var registered = (await _server.SendAsync(HttpMethod.Post, "/v1/workspaces/acme/machines", """{"repository":"demo/app","ref":"refs/heads/main"}""")).Json["token"]!.GetValue<string>();
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.ExchangeAsync("/oidc/acme/token", registered, "sts.example")).Status);

        string Text(string name) => claims.TryGetString(name, out var text) ? text : claims.TryGetStrings(name, out var texts) ? string.Join(' ', texts) : "";
    }

    [Fact]
    [Line("4.2")]
    public async Task What_is_taken_away_from_a_machine_identity_is_taken_from_machines_that_live_and_an_ended_machines_token_is_inactive()
    {
        await _server.PutAsync("/v1/workspaces/acme/machine-identities/cloud", WithAudiences("sts.example"));
        var made = (await AskAsync(_cluster.Mint(_server.Url, Subject), "cloud")).Json;
        var token = made["token"]!.GetValue<string>();
        var given = (await _server.ExchangeAsync("/oidc/acme/token", token, "sts.example")).Json["access_token"]!.GetValue<string>();
        Assert.True(await _server.IsActiveAsync("/oidc/acme", given));

        await _server.SendAsync(HttpMethod.Put, "/v1/workspaces/acme/machine-identities/cloud", "{\"spec\":" + WithAudiences("other.example") + "}", ifMatch: "*");
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.ExchangeAsync("/oidc/acme/token", token, "sts.example")).Status);
        Assert.Equal(HttpStatusCode.OK, (await _server.ExchangeAsync("/oidc/acme/token", token, "other.example")).Status);

        // One of the same name is another.
        await _server.SendAsync(HttpMethod.Delete, "/v1/workspaces/acme/machine-identities/cloud", ifMatch: "*");
        await _server.PutAsync("/v1/workspaces/acme/machine-identities/cloud", WithAudiences("other.example"));
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.ExchangeAsync("/oidc/acme/token", token, "other.example")).Status);

        await _server.SendAsync(HttpMethod.Delete, $"/v1/workspaces/acme/machines/{made["machine"]!["id"]!.GetValue<string>()}");
        Assert.False(await _server.IsActiveAsync("/oidc/acme", given));
        Assert.False(await _server.IsActiveAsync("", token));
    }

    private static string WithAudiences(string audience) => Spec()[..^1] + $",\"audiences\":[\"{audience}\"]}}";

    private static string Spec(string subject = Subject) =>
        "{\"proof\":{\"cluster\":\"lab\",\"subject\":\"" + subject + "\"},\"machine\":{\"repository\":\"demo/app\",\"ref\":\"refs/heads/main\",\"lifetimeSeconds\":3600}}";

    private static (HttpStatusCode, string) Without((HttpStatusCode Status, JsonNode Json) answer)
    {
        var json = (JsonObject)answer.Json;
        return (answer.Status, $"{json["type"]} {json["title"]} {json["detail"]}");
    }

    private Task<(HttpStatusCode Status, JsonNode Json)> AskAsync(string token, string identity = "vm", string workspace = "acme") =>
        _server.SendAsync(HttpMethod.Post, "/runtime/machines", $$"""{"workspace":"{{workspace}}","identity":"{{identity}}"}""", token);

    private async Task RegisterAsync(string workspace)
    {
        var id = (await _server.GetAsync($"/v1/workspaces/{workspace}")).Json["id"]!.GetValue<string>();
        var spec = new ClusterSpec(_cluster.Issuer, new ClusterKeys(Jwks: JsonDocument.Parse(_cluster.Jwks).RootElement), new ClusterSubject("runners", "runner"));
        Assert.False((await _server.Services.GetRequiredService<ClusterStore>().PutAsync(id, "lab", spec, new TrialReport(true, []), default, new AuditEvent("test"), CancellationToken.None)).IsRefused);
    }

    /// <returns>Its id.</returns>
    private async Task<string> RunnerAsync(SigningKey key, string name)
    {
        var jwk = JsonDocument.Parse(KeySet.Of(key.Public).ToJson()).RootElement.GetProperty("keys")[0].GetRawText();
        var (status, json) = await _server.SendAsync(
            HttpMethod.Post, "/v1/runner/requests", $$"""{"publicKey":{{jwk}},"name":"{{name}}","hostname":"h"}""", Assertion(key));
        Assert.True(status is HttpStatusCode.OK or HttpStatusCode.Accepted or HttpStatusCode.Created, json.ToJsonString());
        await _server.SendAsync(HttpMethod.Put, "/v1/workspaces/acme/collections/c", """{"spec":{}}""");
        var (approved, runner) = await _server.SendAsync(
            HttpMethod.Post, $"/v1/runner-requests/{json["fingerprint"]!.GetValue<string>()}/approve", $$"""{"collections":["acme/c"],"name":"{{name}}"}""");
        Assert.True(approved is HttpStatusCode.OK or HttpStatusCode.Created, runner.ToJsonString());
        return runner["id"]!.GetValue<string>();
    }

    private string Assertion(SigningKey key)
    {
        var client = AdminKeys.ClientId(key.Public);
        return TokenMint.Mint(key, OAuthNames.TypJwt, new TokenClaims
        {
            Issuer = client,
            Subject = client,
            Audiences = [_server.Url],
            IssuedAt = _time.GetUtcNow(),
            ExpiresAt = _time.GetUtcNow().AddSeconds(60),
            TokenId = Guid.NewGuid().ToString("N"),
        });
    }
}
