using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Identity.Presets;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Federation;

/// <summary>Each preset at the bearer door: the recorded payload comes in, the look-alike's does not; and what is doubtful is said when a policy is saved.</summary>
[Line("6.3")]
public sealed class PresetTests : IAsyncLifetime
{
    private DoorServer _server = null!;
    private TestIssuer _issuer = null!;

    public static TheoryData<string> Names => [.. IssuerPresets.All.Select(static preset => preset.Name)];

    public async ValueTask InitializeAsync()
    {
        _server = await DoorServer.StartAsync();
        _issuer = await TestIssuer.StartAsync();
        await _server.PutAsync("/v1/workspaces/acme", "{}");
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _issuer.DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task The_recorded_payload_comes_in_and_a_look_alike_tenant_is_refused(string name)
    {
        var sample = PresetSample.Read(name);
        await _server.PutAsync("/v1/workspaces/acme/trusted-issuers/theirs", new JsonObject { ["issuer"] = sample.Issuer, ["keys"] = new JsonObject { ["jwks"] = JsonNode.Parse(_issuer.Jwks) } }.ToJsonString());
        var (status, saved) = await _server.SendAsync(HttpMethod.Put, "/v1/workspaces/acme/trust-policies/ours", new JsonObject
        {
            ["spec"] = new JsonObject { ["issuer"] = "theirs", ["preset"] = name, ["identity"] = sample.Identity.DeepClone(), ["allow"] = new JsonObject { ["roles"] = new JsonArray("viewer") } },
        }.ToJsonString());
        Assert.Equal(HttpStatusCode.Created, status);
        Assert.Null(saved["warnings"]);

        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/v1/workspaces/acme/collections", Mint(sample.Claims))).Status);
        var foreign = Mint(sample.Foreign(), sample.IsKeyForeign);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.GetAsync("/v1/workspaces/acme/collections", foreign)).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.ExchangeAsync("/oidc/acme/token", foreign)).Status);
    }

    /// <summary>GitHub's cloud, with an enterprise's own issuer, with data residency, an Enterprise Server; and subjects by name and by id.</summary>
    [Theory]
    [InlineData("https://token.actions.githubusercontent.com", "repo:octo-org/octo-repo:environment:production")]
    [InlineData("https://token.actions.githubusercontent.com/octo", "repo:octo-org@9919/octo-repo@1296269:environment:production")]
    [InlineData("https://token.actions.octo.ghe.com", "repo:octo-org/octo-repo:environment:production")]
    [InlineData("https://token.actions.octo.ghe.com", "repo:octo-org@9919/octo-repo@1296269:environment:production")]
    [InlineData("https://github.octo.example/_services/token", "repo:octo-org/octo-repo:environment:production")]
    public async Task A_job_of_each_of_GitHubs_places_comes_in_whichever_form_its_subject_has_and_its_look_alike_does_not(string issuer, string subject)
    {
        var sample = PresetSample.Read("github");
        await _server.PutAsync("/v1/workspaces/acme/trusted-issuers/theirs", new JsonObject { ["issuer"] = issuer, ["keys"] = new JsonObject { ["jwks"] = JsonNode.Parse(_issuer.Jwks) } }.ToJsonString());
        var (status, saved) = await _server.SendAsync(HttpMethod.Put, "/v1/workspaces/acme/trust-policies/ours", new JsonObject
        {
            ["spec"] = new JsonObject { ["issuer"] = "theirs", ["preset"] = "github", ["identity"] = sample.Identity.DeepClone(), ["allow"] = new JsonObject { ["roles"] = new JsonArray("operator") } },
        }.ToJsonString());
        Assert.Equal(HttpStatusCode.Created, status);
        Assert.Null(saved["warnings"]);

        foreach (var (claims, expected) in ((JsonObject, HttpStatusCode)[])[(sample.Claims, HttpStatusCode.OK), (sample.Foreign(), HttpStatusCode.Unauthorized)])
        {
            // The look-alike of names has the very same subject.
            (claims["iss"], claims["sub"]) = (issuer, subject);
            Assert.Equal(expected, (await _server.GetAsync("/v1/workspaces/acme/collections", Mint(claims))).Status);
        }
    }

    [Fact]
    public async Task Doubts_are_told_when_a_policy_is_saved_and_shown_and_it_is_saved_all_the_same()
    {
        const string path = "/v1/workspaces/acme/trust-policies/ours";
        const string spec = """{"spec":{"issuer":"theirs","claims":{"repository":"acme/app"},"allow":{"roles":["operator"]}}}""";
        await _server.PutAsync("/v1/workspaces/acme/trusted-issuers/theirs", """{"issuer":"https://token.actions.githubusercontent.com","keys":{"discovery":{}}}""");
        var (status, early) = await _server.SendAsync(HttpMethod.Put, path, spec);
        Assert.Equal(HttpStatusCode.Created, status);
        Assert.Equal(["spec.claims.repository", "spec.claims", "spec.claims"], Paths(early));

        var (_, later) = await _server.GetAsync(path);
        Assert.Equal(["spec.claims.repository", "spec.claims", "spec.claims"], Paths(later));

        // What a GET gave may be sent back whole.
        Assert.Equal(HttpStatusCode.OK, (await _server.SendAsync(HttpMethod.Put, path, later.ToJsonString(), ifMatch: "*")).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.GetAsync(path, "")).Status);
    }

    private static IEnumerable<string> Paths(JsonNode policy) => policy["warnings"]!.AsArray().Select(static warning => warning!["path"]!.GetValue<string>());

    private string Mint(JsonObject claims, bool foreignKey = false)
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        var whole = (JsonObject)claims.DeepClone();
        (whole["aud"], whole["iat"], whole["exp"]) = (new JsonArray(_server.Url), now, now + 300);
        using var other = Identity.Jose.SigningKey.Generate(Identity.Jose.SignatureAlgorithm.ES256);
        return TokenMint.Mint(foreignKey ? other : _issuer.Key, TokenMint.JwtType, Encoding.UTF8.GetBytes(whole.ToJsonString()));
    }
}
