using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Server.Tests.Federation;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Audit;

/// <summary>What an operator names with <c>--audit-redact</c> is as little in the audit as what names people.</summary>
[Line("2.12")]
public sealed class AuditRedactTests : IAsyncLifetime
{
    private const string Policies = "/v1/workspaces/acme/trust-policies";
    private DoorServer _server = null!;
    private TestIssuer _issuer = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await DoorServer.StartAsync(arguments: ["--audit-claims", "--audit-redact", "ref", "--audit-redact=team"]);
        _issuer = await TestIssuer.StartAsync();
        await _server.PutAsync("/v1/workspaces/acme", "{}");
        await _server.PutAsync("/v1/workspaces/acme/trusted-issuers/ci", $$$"""{"issuer":"{{{_issuer.Issuer}}}","allowPrivateAddresses":true,"keys":{"discovery":{} } }""");
        await _server.PutAsync(Policies + "/branches", """{"issuer":"ci","claims":{"repository_id":"7","ref":{"glob":"refs/heads/*"} },"principal":"app:{repository_id}","allow":{"roles":["viewer"]}}""");
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _issuer.DisposeAsync();
    }

    [Fact]
    public async Task A_claim_that_the_operator_names_is_in_no_event_neither_as_a_claim_nor_as_evidence()
    {
        Assert.Equal(HttpStatusCode.OK, (await ExchangeAsync("refs/heads/unseen-a")).Status);
        Assert.NotEqual(HttpStatusCode.OK, (await ExchangeAsync("refs/tags/unseen-b, wanted unseen-c")).Status);

        var events = await _server.AuditAsync("token.exchange");
        Assert.Equal(2, events.Length);
        Assert.All(events, static one => Assert.DoesNotContain("unseen", one, StringComparison.Ordinal));
        Assert.All(events, static one => Assert.DoesNotContain("dev@acme.example", one, StringComparison.Ordinal));
        var (allowed, refused) = (JsonNode.Parse(events[0])!["event"]!, JsonNode.Parse(events[1])!["event"]!);
        Assert.Equal(("(redacted)", "(redacted)", "7"), (Text(allowed["claims"]!["ref"]), Text(allowed["claims"]!["team"]), Text(allowed["claims"]!["repository_id"])));
        Assert.Contains(allowed["evidence"]!.AsArray(), static line => Text(line).Contains("ref is (redacted), wanted", StringComparison.Ordinal));
        Assert.Contains("claim ref is (redacted), wanted is", Text(refused["detail"]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_draft_that_asks_for_a_claim_that_was_not_kept_is_undecided_and_not_judged_by_its_absence()
    {
        await ExchangeAsync("refs/heads/main");

        foreach (var (claim, undecided) in ((string, long)[])[("ref", 1), ("team", 1), ("repository_id", 0)])
            Assert.Equal(undecided, await UndecidedAsync($$$"""{"issuer":"ci","claims":{"{{{claim}}}":"x"},"allow":{"roles":["viewer"]}}"""));
    }

    private async Task<long> UndecidedAsync(string spec)
    {
        var body = new JsonObject { ["since"] = "2020-01-01T00:00:00Z", ["spec"] = JsonNode.Parse(spec) };
        var (status, report) = await _server.SendAsync(HttpMethod.Post, Policies + "/fresh/replay", body.ToJsonString());
        Assert.True(status == HttpStatusCode.OK, report.ToJsonString());
        return report["undecided"]!.GetValue<long>();
    }

    private Task<(HttpStatusCode Status, JsonNode Json)> ExchangeAsync(string gitRef) => _server.ExchangeAsync("/oidc/acme/token", _issuer.Mint(
        _server.Url, "repo", claims => (claims["repository_id"], claims["ref"], claims["team"], claims["email"]) = ("7", gitRef, "unseen-team", "dev@acme.example")));

    private static string Text(JsonNode? node) => node!.GetValue<string>();
}
