using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Clusters;
using Lanyard.Server.Http;
using Lanyard.Server.Tests.Federation;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Machines;

/// <summary>The door at which hosts prove themselves makes no machines without end, and what strangers send to it does not fill the audit.</summary>
[Line("4.1")]
public sealed class AttestationRateTests : IAsyncLifetime
{
    private const string Subject = "system:serviceaccount:builds:vm";
    private readonly ManualTime _time = new();
    private readonly HttpClient _http = new();
    private DoorServer _server = null!;
    private TestIssuer _cluster = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await DoorServer.StartAsync(_time);
        _cluster = await TestIssuer.StartAsync(_time);
        await _server.PutAsync("/v1/workspaces/acme", "{}");
        var id = (await _server.GetAsync("/v1/workspaces/acme")).Json["id"]!.GetValue<string>();
        var spec = new ClusterSpec(_cluster.Issuer, new ClusterKeys(Jwks: JsonDocument.Parse(_cluster.Jwks).RootElement), new ClusterSubject("runners", "runner"));
        Assert.False((await _server.Services.GetRequiredService<ClusterStore>().PutAsync(id, "lab", spec, new TrialReport(true, []), default, new AuditEvent("test"), CancellationToken.None)).IsRefused);
        await PutIdentityAsync("few", ",\"perMinute\":2");
        await PutIdentityAsync("vm");
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _server.DisposeAsync();
        await _cluster.DisposeAsync();
    }

    [Fact]
    public async Task A_host_that_proves_itself_gets_no_more_machines_in_a_minute_than_its_identity_has()
    {
        var token = _cluster.Mint(_server.Url, Subject);
        for (var i = 0; i < 2; i++) Assert.Equal(HttpStatusCode.Created, (await AskAsync(token, "few")).Status);

        var (status, retry) = await AskAsync(token, "few");

        Assert.Equal((HttpStatusCode.TooManyRequests, true), (status, retry > TimeSpan.Zero));
        Assert.Contains(await _server.AuditAsync("machine.attest"), static one => one.Contains("too-many-requests", StringComparison.OrdinalIgnoreCase) || one.Contains("TooManyRequests", StringComparison.Ordinal));
        Assert.Equal(2, (await _server.GetAsync("/v1/workspaces/acme/machines")).Json["items"]!.AsArray().Count);

        // Another identity has its own, and the next minute is another.
        Assert.Equal(HttpStatusCode.Created, (await AskAsync(token, "vm")).Status);
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(HttpStatusCode.Created, (await AskAsync(token, "few")).Status);
    }

    [Fact]
    public async Task A_stranger_that_goes_on_asking_is_told_to_wait_fills_no_audit_and_keeps_no_host_behind_its_address_out()
    {
        const int Bound = 60;
        for (var i = 0; i < Bound; i++) Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync("nonsense", "vm")).Status);
        for (var i = 0; i < 5; i++) Assert.Equal(HttpStatusCode.TooManyRequests, (await AskAsync(i == 0 ? "" : "nonsense", "vm")).Status);

        // One tells that the bound is passed.
        Assert.Equal(Bound + 1, (await _server.AuditAsync("machine.attest")).Length);
        Assert.Equal(HttpStatusCode.Created, (await AskAsync(_cluster.Mint(_server.Url, Subject), "vm")).Status);

        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync("nonsense", "vm")).Status);
    }

    [Fact]
    public async Task A_machine_renews_itself_ten_times_a_minute_and_no_other_is_held_up_by_it()
    {
        var first = (await _server.SendAsync(HttpMethod.Post, "/v1/workspaces/acme/machines", "{}")).Json["token"]!.GetValue<string>();
        var second = (await _server.SendAsync(HttpMethod.Post, "/v1/workspaces/acme/machines", "{}")).Json["token"]!.GetValue<string>();
        for (var i = 0; i < 10; i++) Assert.Equal(HttpStatusCode.OK, await RenewAsync(first));

        Assert.Equal((HttpStatusCode.TooManyRequests, HttpStatusCode.OK), (await RenewAsync(first), await RenewAsync(second)));
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(HttpStatusCode.OK, await RenewAsync(first));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("10001")]
    public async Task A_bound_that_lets_nobody_in_or_everybody_is_a_mistake(string perMinute)
    {
        var (status, json) = await _server.SendAsync(HttpMethod.Put, "/v1/workspaces/acme/machine-identities/x", "{\"spec\":" + Spec($",\"perMinute\":{perMinute}") + "}");

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains("\"spec.perMinute\"", json.ToJsonString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("2001:db8:1:2::5", "2001:db8:1:2:ffff::9", true)]
    [InlineData("2001:db8:1:2::5", "2001:db8:1:3::5", false)]
    [InlineData("::ffff:192.0.2.7", "192.0.2.7", true)]
    [InlineData("192.0.2.7", "192.0.2.8", false)]
    public void A_host_that_changes_its_address_within_its_network_is_counted_as_one(string one, string other, bool isSame) =>
        Assert.Equal(isSame, Budget.NameOf(IPAddress.Parse(one)) == Budget.NameOf(IPAddress.Parse(other)));

    private static string Spec(string more = "") => "{\"proof\":{\"cluster\":\"lab\",\"subject\":\"" + Subject + "\"},\"machine\":{\"lifetimeSeconds\":3600}" + more + "}";

    private async Task<HttpStatusCode> RenewAsync(string token) => (await _server.SendAsync(HttpMethod.Post, "/runtime/machines/renew", bearer: token)).Status;

    private Task PutIdentityAsync(string name, string more = "") => _server.PutAsync($"/v1/workspaces/acme/machine-identities/{name}", Spec(more));

    private async Task<(HttpStatusCode Status, TimeSpan? RetryAfter)> AskAsync(string token, string identity)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"{_server.Url}/runtime/machines")
        {
            Content = new StringContent($$"""{"workspace":"acme","identity":"{{identity}}"}""", Encoding.UTF8, "application/json"),
        };
        if (token.Length > 0) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var response = await _http.SendAsync(request);
        return (response.StatusCode, response.Headers.RetryAfter?.Delta);
    }
}
