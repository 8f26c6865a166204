using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Identity.Jose;
using Lanyard.Server.Federation;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Federation;

/// <summary>A cluster that nobody can reach announces its new keys under an old one; whoever has no trusted key announces nothing.</summary>
[Line("2.3")]
public sealed class PushedKeyEndpointTests : IAsyncLifetime
{
    private const string Collections = "/v1/workspaces/acme/collections";
    private const string Pusher = "system:serviceaccount:lanyard:pusher";

    private readonly ManualTime _time = new();
    private DoorServer _server = null!;
    private TestIssuer _cluster = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await DoorServer.StartAsync(_time);
        _cluster = await TestIssuer.StartAsync(_time);
        await _server.PutAsync("/v1/workspaces/acme", "{}");
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _cluster.DisposeAsync();
    }

    [Fact]
    public async Task New_keys_wait_for_their_proof_and_old_ones_serve_until_their_tokens_are_dead()
    {
        await TrustAsync();
        var old = _cluster.Key;
        var (oldToken, authorization) = (Workload(), Push());
        _cluster.Rotate();
        var newToken = Workload();

        Assert.Equal("pending", await StateAsync(authorization, _cluster.Jwks));
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.GetAsync(Collections, newToken)).Status);
        Assert.Equal([old.KeyId, "+" + _cluster.Key.KeyId], await KeysAsync());

        _cluster.Forget(old);
        Assert.Equal("accepted", await StateAsync(authorization, _cluster.Jwks, Push()));
        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync(Collections, newToken)).Status);
        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync(Collections, oldToken)).Status);

        // The record's longest life and the clocks' allowance later, the old key signs nothing any more.
        _time.Advance(TimeSpan.FromSeconds(3600 + 61));
        await _server.LogInAsync(_time);
        await _server.Services.GetRequiredService<PushedKeyStore>().SweepAsync(TestContext.Current.CancellationToken);
        _cluster.Rotate();
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.GetAsync(Collections, Signed(old))).Status);
        Assert.Equal([_cluster.Keys.Keys[0].KeyId!], await KeysAsync());

        var alarms = await _server.AuditAsync("keys.push");
        Assert.Equal(2, alarms.Length);
        Assert.All(alarms, line => Assert.Contains("\"alarm\":\"true\"", line, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Where_it_is_configured_an_admin_has_the_last_word()
    {
        await TrustAsync(requireApproval: true);
        var authorization = Push();
        _cluster.Rotate();
        var newToken = Workload();
        Assert.Equal(HttpStatusCode.Conflict, (await ApproveAsync()).Status);

        Assert.Equal("pending", await StateAsync(authorization, _cluster.Jwks));
        Assert.Equal(HttpStatusCode.Conflict, (await ApproveAsync()).Status);
        Assert.Equal("awaiting-approval", await StateAsync(authorization, _cluster.Jwks, Push()));
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.GetAsync(Collections, newToken)).Status);

        Assert.Equal(HttpStatusCode.OK, (await ApproveAsync()).Status);
        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync(Collections, newToken)).Status);
        Assert.Single(await _server.AuditAsync("keys.approve"));
    }

    [Fact]
    [Line("6.4")]
    public async Task Only_those_keys_are_approved_that_the_admin_saw_whatever_was_pushed_meanwhile()
    {
        await TrustAsync(requireApproval: true);
        var authorization = Push();
        var seen = _cluster.Rotate();
        Assert.Equal("awaiting-approval", await StateAsync(authorization, _cluster.Jwks, Push()));
        var thumbprints = await PendingAsync();
        Assert.Contains(seen.Public.Thumbprint, thumbprints);

        // Whoever holds the pusher's account puts a key of his own in the place of what the admin looks at.
        var thief = _cluster.Rotate();
        Assert.Equal("awaiting-approval", await StateAsync(authorization, _cluster.Jwks, Push()));
        Assert.Equal(HttpStatusCode.Conflict, (await ApproveAsync(thumbprints)).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await ApproveAsync([])).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await ApproveRawAsync("{}")).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.GetAsync(Collections, Signed(thief))).Status);
        Assert.Empty(await _server.AuditAsync("keys.approve"));

        Assert.Equal(HttpStatusCode.OK, (await ApproveAsync(await PendingAsync())).Status);
    }

    [Fact]
    public async Task Without_a_trusted_key_the_right_subject_and_the_right_audience_nothing_is_announced()
    {
        await TrustAsync();
        var trusted = Push();
        var elsewhere = _cluster.Mint(_server.Url, Pusher);
        var somebody = _cluster.Mint(_server.Url + "/keys", "system:serviceaccount:lanyard:runner");
        using var thief = SigningKey.Generate(SignatureAlgorithm.ES256);
        var stolen = KeySet.Of([thief.Public]).ToJson();
        var ofThief = Signed(thief, _server.Url + "/keys", Pusher);

        foreach (var (authorization, proof) in ((string, string?)[])
            [(elsewhere, ofThief), (somebody, ofThief), (ofThief, ofThief), (trusted, elsewhere), (trusted, trusted), (trusted, Signed(thief, _server.Url + "/keys", "other"))])
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await PushAsync(authorization, stolen, proof)).Status);
        }

        Assert.Equal(HttpStatusCode.Unauthorized, (await PushAsync("", stolen, null)).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await PushAsync(trusted, """{"keys":[]}""", null)).Status);
        Assert.Equal([_cluster.Key.KeyId], await KeysAsync());
        Assert.Equal(6, (await _server.AuditAsync("keys.push")).Length);
    }

    [Fact]
    public async Task Two_pushes_at_once_leave_one_of_the_two_key_sets_and_never_half_of_each()
    {
        await TrustAsync();
        var authorization = Push();
        var sets = new List<(string Jwks, string Proof)>();
        for (var i = 0; i < 4; i++)
        {
            var key = _cluster.Rotate();
            sets.Add((KeySet.Of([key.Public]).ToJson(), Push()));
        }

        await Task.WhenAll(sets.Select(set => PushAsync(authorization, set.Jwks, set.Proof)));

        var trusted = (await _server.GetAsync("/v1/workspaces/acme/pushed-keys")).Json["items"]![0]!;
        Assert.Single(trusted["keys"]!.AsArray());
        Assert.Equal(4, trusted["leaving"]!.AsObject().Count);
    }

    [Fact]
    public async Task A_token_of_a_key_that_nobody_announced_raises_one_alarm_until_the_keys_are_confirmed()
    {
        await TrustAsync();
        var authorization = Push();
        Assert.False((await PushedAsync()).ContainsKey("staleSince"));
        _cluster.Rotate();

        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await _server.GetAsync(Collections, Workload())).Status);
            _time.Advance(TimeSpan.FromMinutes(1));
        }

        var alarm = Assert.Single(await _server.AuditAsync("keys.stale"));
        Assert.Contains("\"alarm\":\"true\"", alarm, StringComparison.Ordinal);
        Assert.Contains(_cluster.Key.KeyId, alarm, StringComparison.Ordinal);
        Assert.True((await PushedAsync()).ContainsKey("staleSince"));

        Assert.Equal("pending", await StateAsync(authorization, _cluster.Jwks));
        Assert.True((await PushedAsync()).ContainsKey("staleSince"));
        Assert.Equal("accepted", await StateAsync(authorization, _cluster.Jwks, Push()));
        Assert.False((await PushedAsync()).ContainsKey("staleSince"));
        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync(Collections, Workload())).Status);
    }

    [Fact]
    public async Task A_cluster_that_says_nothing_for_a_day_raises_one_alarm_and_its_hourly_word_that_nothing_changed_raises_none()
    {
        await TrustAsync();
        var stale = _server.Services.GetRequiredService<StaleKeys>();
        for (var hour = 0; hour < 30; hour++)
        {
            _time.Advance(TimeSpan.FromHours(1));
            Assert.Equal("accepted", await StateAsync(Push(), _cluster.Jwks));
            await stale.SweepAsync(TestContext.Current.CancellationToken);
        }

        await _server.LogInAsync(_time);
        Assert.Empty(await _server.AuditAsync("keys.stale"));
        Assert.All(await _server.AuditAsync("keys.push"), line => Assert.Contains("\"alarm\":\"false\"", line, StringComparison.Ordinal));

        _time.Advance(StaleKeys.ConfirmedWithin);
        await stale.SweepAsync(TestContext.Current.CancellationToken);
        await stale.SweepAsync(TestContext.Current.CancellationToken);
        await _server.LogInAsync(_time);
        Assert.Single(await _server.AuditAsync("keys.stale"));
        Assert.True((await PushedAsync()).ContainsKey("staleSince"));

        Assert.Equal("accepted", await StateAsync(Push(), _cluster.Jwks));
        Assert.False((await PushedAsync()).ContainsKey("staleSince"));
    }

    private async Task<JsonObject> PushedAsync() => (await _server.GetAsync("/v1/workspaces/acme/pushed-keys")).Json["items"]![0]!.AsObject();

    private string Push() => _cluster.Mint(_server.Url + "/keys", Pusher);

    private string Workload() => _cluster.Mint(_server.Url, "ci");

    private string Signed(SigningKey key, string? audience = null, string subject = "ci") =>
        _cluster.MintRaw(_cluster.Header(key), _cluster.Claims(audience ?? _server.Url, subject).ToJsonString(), key);

    private async Task TrustAsync(bool requireApproval = false)
    {
        var spec = new JsonObject
        {
            ["issuer"] = _cluster.Issuer,
            ["maxLifetimeSeconds"] = 3600,
            ["keys"] = new JsonObject
            {
                ["pushed"] = new JsonObject { ["jwks"] = JsonNode.Parse(_cluster.Jwks), ["subject"] = Pusher, ["requireApproval"] = requireApproval },
            },
        };
        await _server.PutAsync("/v1/workspaces/acme/trusted-issuers/lab", spec.ToJsonString());
        await _server.PutAsync("/v1/workspaces/acme/trust-policies/ci", """{"issuer":"lab","claims":{"sub":"ci"},"allow":{"roles":["viewer"]}}""");
    }

    private async Task<string> StateAsync(string authorization, string jwks, string? proof = null)
    {
        var (status, json) = await PushAsync(authorization, jwks, proof);
        Assert.True(status == HttpStatusCode.OK, json.ToJsonString());
        return json["state"]!.GetValue<string>();
    }

    private Task<(HttpStatusCode Status, JsonNode Json)> PushAsync(string authorization, string jwks, string? proof)
    {
        var body = new JsonObject { ["jwks"] = JsonNode.Parse(jwks) };
        if (proof is not null) body["proof"] = proof;
        return _server.SendAsync(HttpMethod.Post, "/keys", body.ToJsonString(), authorization);
    }

    private async Task<string[]> PendingAsync() => [.. (await PushedAsync())["pendingThumbprints"]!.AsArray().Select(static one => one!.GetValue<string>())];

    /// <param name="thumbprints">Null: of what waits now.</param>
    private async Task<(HttpStatusCode Status, JsonNode Json)> ApproveAsync(string[]? thumbprints = null) =>
        await ApproveRawAsync(new JsonObject { ["thumbprints"] = new JsonArray([.. (thumbprints ?? await PendingAsync()).Select(static one => JsonValue.Create(one))]) }.ToJsonString());

    private async Task<(HttpStatusCode Status, JsonNode Json)> ApproveRawAsync(string body)
    {
        var record = (await _server.GetAsync("/v1/workspaces/acme/pushed-keys")).Json["items"]![0]!["record"]!.GetValue<string>();
        return await _server.SendAsync(HttpMethod.Post, $"/v1/workspaces/acme/pushed-keys/{record}/approve", body);
    }

    /// <summary>Trusted ones, then pending ones with a plus.</summary>
    private async Task<string[]> KeysAsync()
    {
        var item = (await _server.GetAsync("/v1/workspaces/acme/pushed-keys")).Json["items"]![0]!;
        var trusted = item["keys"]!.AsArray().Select(key => key!.GetValue<string>()).ToList();
        return [.. trusted, .. item["pending"]!.AsArray().Select(key => key!.GetValue<string>()).Except(trusted).Select(key => "+" + key)];
    }
}
