using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Federation;

/// <summary>What stands in the database and can't be read (a newer version's, or somebody's hand) is no policy and no issuer, and takes nothing from the others.</summary>
[Line("6.2")]
[Line("6.5")]
public sealed class StoredTrustTests : IAsyncLifetime
{
    private const string Collections = "/v1/workspaces/acme/collections";
    private DoorServer _server = null!;
    private TestIssuer _issuer = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await DoorServer.StartAsync();
        _issuer = await TestIssuer.StartAsync();
        await _server.PutAsync("/v1/workspaces/acme", "{}");
        await _server.PutAsync("/v1/workspaces/acme/trusted-issuers/ci", $$$"""{"issuer":"{{{_issuer.Issuer}}}","allowPrivateAddresses":true,"keys":{"discovery":{} } }""");
        foreach (var subject in (string[])["one", "two"])
            await _server.PutAsync($"/v1/workspaces/acme/trust-policies/{subject}", $$$"""{"issuer":"ci","claims":{"sub":"{{{subject}}}"},"allow":{"roles":["viewer"]} }""");
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _issuer.DisposeAsync();
    }

    [Theory]
    [InlineData("""{"issuer":"ci","allow":{"roles":["admin"]}}""")]
    [InlineData("""{"issuer":"ci","claims":{},"allow":{"roles":["admin"]}}""")]
    [InlineData("""{"issuer":"ci","claims":{"sub":"one"},"unless":{"ref":"x"},"allow":{"roles":["admin"]}}""")]
    [InlineData("""{"issuer":"ci","condition":"claims.sub == ","allow":{"roles":["admin"]}}""")]
    [InlineData("""{"issuer":"ci","claims":{"sub":"one"},"allow":{"roles":["emperor"]}}""")]
    [InlineData("not json")]
    public async Task A_policy_that_can_not_be_read_lets_nobody_in_and_its_neighbour_still_does(string spec)
    {
        await _server.Database.ExecuteAsync($"update trust_policies set spec = {spec} where slug = 'one'");
        await ForgetAsync();

        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.GetAsync(Collections, _issuer.Mint(_server.Url, "one"))).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.GetAsync(Collections, _issuer.Mint(_server.Url, "anybody"))).Status);
        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync(Collections, _issuer.Mint(_server.Url, "two"))).Status);
    }

    [Theory]
    [InlineData("""{"issuer":"ISSUER","audiences":[""],"keys":{"discovery":{} } }""")]
    [InlineData("""{"issuer":"ISSUER","keys":{"discovery":{} },"quantum":true}""")]
    [InlineData("""{"issuer":"ISSUER","keys":{}}""")]
    [InlineData("""{"issuer":"ISSUER"}""")]
    [InlineData("null")]
    [InlineData("not json")]
    public async Task An_issuer_that_can_not_be_read_is_believed_by_nobody_and_its_neighbour_still_is(string written)
    {
        await using var other = await TestIssuer.StartAsync();
        await _server.PutAsync("/v1/workspaces/acme/trusted-issuers/other", $$$"""{"issuer":"{{{other.Issuer}}}","allowPrivateAddresses":true,"keys":{"discovery":{} } }""");
        await _server.PutAsync("/v1/workspaces/acme/trust-policies/other", """{"issuer":"other","claims":{"sub":"two"},"allow":{"roles":["viewer"]} }""");
        var spec = written.Replace("ISSUER", _issuer.Issuer, StringComparison.Ordinal);
        await _server.Database.ExecuteAsync($"update trust_records set spec = {spec} where slug = 'ci'");
        await ForgetAsync();

        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.GetAsync(Collections, _issuer.Mint(_server.Url, "one"))).Status);
        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync(Collections, other.Mint(_server.Url, "two"))).Status);
    }

    [Theory]
    [InlineData("trusted-issuers", "not json", "spec")]
    [InlineData("trusted-issuers", "null", "spec")]
    [InlineData("trusted-issuers", """{"issuer":"https://ci.example","keys":{"discovery":{} },"quantum":true}""", "spec.quantum")]
    [InlineData("trusted-issuers", """{"issuer":"https://ci.example"}""", "spec")]
    [InlineData("trusted-issuers", """{"issuer":"https://ci.example","keys":{}}""", "spec.keys")]
    [InlineData("trust-policies", "not json", "spec")]
    [InlineData("trust-policies", "[]", "spec")]
    [InlineData("trust-policies", """{"allow":{"roles":["admin"]},"claims":{"sub":"x"}}""", "spec.issuer")]
    [InlineData("trust-policies", """{"issuer":"ci","claims":{"sub":"one"},"unless":{"ref":"x"},"allow":{"roles":["admin"]}}""", "spec.unless")]
    public async Task What_can_not_be_read_is_listed_by_name_with_its_fault_and_can_be_repaired_or_deleted(string kind, string spec, string path)
    {
        var home = $"/v1/workspaces/acme/{kind}";
        var good = kind == "trust-policies"
            ? """{"issuer":"ci","claims":{"sub":"x"},"allow":{"roles":["viewer"]} }"""
            : """{"issuer":"https://x.example","keys":{"discovery":{} } }""";
        foreach (var slug in (string[])["broken", "gone", "whole"]) await _server.PutAsync($"{home}/{slug}", good);
        await (kind == "trust-policies"
            ? _server.Database.ExecuteAsync($"update trust_policies set spec = {spec} where slug in ('broken', 'gone')")
            : _server.Database.ExecuteAsync($"update trust_records set spec = {spec} where slug in ('broken', 'gone')"));
        await ForgetAsync();

        var (status, list) = await _server.GetAsync(home);
        Assert.Equal(HttpStatusCode.OK, status);
        var items = list["items"]!.AsArray().ToDictionary(static item => item!["slug"]!.GetValue<string>());
        Assert.Null(items["whole"]!["warnings"]);
        foreach (var said in (JsonNode?[])[items["broken"], (await _server.GetAsync($"{home}/broken")).Json])
        {
            var fault = said!["warnings"]!.AsArray()[0]!;
            Assert.StartsWith(path, fault["path"]!.GetValue<string>(), StringComparison.Ordinal);
            Assert.Contains("until it is put right", fault["text"]!.GetValue<string>(), StringComparison.Ordinal);
            if (spec.StartsWith('{')) Assert.True(JsonNode.DeepEquals(JsonNode.Parse(spec), said["spec"]));
        }

        await _server.PutAsync($"{home}/broken", good, ifMatch: $"\"{items["broken"]!["etag"]!.GetValue<string>()}\"");
        Assert.Null((await _server.GetAsync($"{home}/broken")).Json["warnings"]?.AsArray().FirstOrDefault(static one => one!["text"]!.GetValue<string>().Contains("put right", StringComparison.Ordinal)));
        Assert.Equal(HttpStatusCode.NoContent, (await _server.SendAsync(HttpMethod.Delete, $"{home}/gone", ifMatch: "*")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync($"{home}/gone")).Status);
    }

    /// <summary>A write of something else has what is known of all of it read anew.</summary>
    private async Task ForgetAsync()
    {
        await _server.PutAsync("/v1/workspaces/acme/trusted-issuers/later", """{"issuer":"https://later.example","keys":{"discovery":{} } }""");
        await _server.PutAsync("/v1/workspaces/acme/trust-policies/later", """{"issuer":"later","claims":{"sub":"x"},"allow":{"roles":["viewer"]} }""");
    }
}
