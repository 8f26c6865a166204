using System.Net;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Federation;

/// <summary>What a token became is kept from its second time on, and not a moment longer than what it rests on.</summary>
[Line("2.3")]
[Line("6.5")]
public sealed class RememberedJudgementTests : IAsyncLifetime
{
    private const string Acme = "/v1/workspaces/acme";
    private const string Collections = Acme + "/collections";
    private DoorServer _server = null!;
    private TestIssuer _issuer = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await DoorServer.StartAsync();
        _issuer = await TestIssuer.StartAsync();
        await _server.PutAsync(Acme, "{}");
        await _server.PutAsync($"{Acme}/trusted-issuers/ci", $$$"""{"issuer":"{{{_issuer.Issuer}}}","allowPrivateAddresses":true,"keys":{"discovery":{} } }""");
        await _server.PutAsync($"{Acme}/trust-policies/ci", Policy("one"));
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _issuer.DisposeAsync();
    }

    [Theory]
    [InlineData("the policy is deleted")]
    [InlineData("the policy is for somebody else now")]
    [InlineData("the issuer is deleted")]
    [InlineData("the principal is revoked")]
    public async Task Whoever_came_often_is_refused_as_soon_as(string change)
    {
        var token = _issuer.Mint(_server.Url, "one");
        for (var i = 0; i < 4; i++) Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync(Collections, token)).Status);

        var status = change switch
        {
            "the policy is deleted" => (await _server.SendAsync(HttpMethod.Delete, $"{Acme}/trust-policies/ci", ifMatch: "*")).Status,
            "the policy is for somebody else now" => (await _server.SendAsync(HttpMethod.Put, $"{Acme}/trust-policies/ci", $$"""{"spec":{{Policy("two")}}}""", ifMatch: "*")).Status,
            "the issuer is deleted" => (await _server.SendAsync(HttpMethod.Delete, $"{Acme}/trusted-issuers/ci", ifMatch: "*")).Status,
            _ => (await _server.SendAsync(HttpMethod.Post, $"{Acme}/revocations", """{"kind":"principal","value":"policy:ci:one","reason":"test"}""")).Status,
        };

        Assert.InRange((int)status, 200, 299);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.GetAsync(Collections, token)).Status);
    }

    private static string Policy(string subject) => $$$"""{"issuer":"ci","claims":{"sub":"{{{subject}}}"},"allow":{"roles":["viewer"]} }""";
}
