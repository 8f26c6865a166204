using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Federation;

/// <summary>A policy names a trusted issuer that is there when it is saved; whoever takes the issuer away ends what rests on it, and is told by the event what that was.</summary>
[Line("2.4")]
public sealed class PolicyIssuerTests : IAsyncLifetime
{
    private const string Acme = "/v1/workspaces/acme";
    private DoorServer _server = null!;
    private TestIssuer _issuer = null!;

    private string Issuer => $$$"""{"issuer":"{{{_issuer.Issuer}}}","allowPrivateAddresses":true,"keys":{"discovery":{} } }""";

    public async ValueTask InitializeAsync()
    {
        _server = await DoorServer.StartAsync();
        _issuer = await TestIssuer.StartAsync();
        foreach (var workspace in (string[])["acme", "other"]) await _server.PutAsync($"/v1/workspaces/{workspace}", "{}");
        await _server.PutAsync(Acme + "/trusted-issuers/own", Issuer);
        await _server.PutAsync("/v1/trusted-issuers/everybodys", Issuer);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _issuer.DisposeAsync();
    }

    [Theory]
    [InlineData(Acme, "own", true)]
    [InlineData(Acme, "everybodys", true)]
    [InlineData("/v1", "everybodys", true)]
    [InlineData(Acme, "nobodys", false)]
    [InlineData(Acme, "cluster/own", false)]
    [InlineData("/v1", "own", false)]
    [InlineData("/v1/workspaces/other", "own", false)]
    public async Task A_policy_for_an_issuer_that_is_not_there_is_a_mistake_and_nothing_is_saved(string home, string issuer, bool isThere)
    {
        var (status, answer) = await SaveAsync(home, $$$"""{"issuer":"{{{issuer}}}","claims":{"sub":"one"},"allow":{"roles":["viewer"]} }""");

        Assert.True((isThere ? HttpStatusCode.Created : HttpStatusCode.BadRequest) == status, answer.ToJsonString());
        Assert.Equal(isThere ? HttpStatusCode.OK : HttpStatusCode.NotFound, (await _server.GetAsync(home + "/trust-policies/p")).Status);
        if (!isThere) Assert.Equal([$"spec.issuer: {issuer}: there is no such trusted issuer"], Mistakes(answer));
    }

    [Fact]
    public async Task It_is_told_with_the_other_mistakes()
    {
        var (_, answer) = await SaveAsync(Acme, """{"issuer":"nobodys","claims":{"sub":"one"},"allow":{"roles":["emperor"]},"unless":{} }""");

        var mistakes = Mistakes(answer);
        Assert.Contains("spec.issuer: nobodys: there is no such trusted issuer", mistakes);
        Assert.True(mistakes.Count >= 3, string.Join('\n', mistakes));
        // One that says no issuer hears of that, and not that nothing is there.
        Assert.DoesNotContain(Mistakes((await SaveAsync(Acme, """{"issuer":7,"claims":{"sub":"one"},"allow":{"roles":["viewer"]} }""")).Json), static one => one.Contains("no such", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_issuer_that_policies_name_is_taken_away_at_once_and_its_event_and_the_policies_say_what_rested_on_it()
    {
        foreach (var slug in (string[])["b", "a"])
            await _server.PutAsync($"{Acme}/trust-policies/{slug}", """{"issuer":"own","claims":{"sub":"one"},"allow":{"roles":["viewer"]} }""");
        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync(Acme + "/collections", _issuer.Mint(_server.Url, "one"))).Status);

        Assert.Equal(HttpStatusCode.NoContent, (await _server.SendAsync(HttpMethod.Delete, Acme + "/trusted-issuers/own", ifMatch: "*")).Status);

        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.GetAsync(Acme + "/collections", _issuer.Mint(_server.Url, "one"))).Status);
        Assert.Contains("\"policies\":\"a b\"", Assert.Single(await _server.AuditAsync("trusted-issuer.delete")), StringComparison.Ordinal);
        var left = (await _server.GetAsync(Acme + "/trust-policies/a")).Json;
        Assert.Contains("matches nobody", left["warnings"]!.ToJsonString(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NoContent, (await _server.SendAsync(HttpMethod.Delete, "/v1/trusted-issuers/everybodys", ifMatch: "*")).Status);
        Assert.DoesNotContain("policies", (await _server.AuditAsync("trusted-issuer.delete"))[^1], StringComparison.Ordinal);
    }

    private Task<(HttpStatusCode Status, JsonNode Json)> SaveAsync(string home, string spec) =>
        _server.SendAsync(HttpMethod.Put, home + "/trust-policies/p", $$"""{"spec":{{spec}}}""");

    private static IReadOnlyList<string> Mistakes(JsonNode answer) =>
        [.. answer["mistakes"]!.AsArray().Select(static one => $"{one!["path"]!.GetValue<string>()}: {one["text"]!.GetValue<string>()}")];
}
