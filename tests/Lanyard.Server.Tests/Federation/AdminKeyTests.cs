using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Identity.Jose;
using Lanyard.Server.Federation;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Federation;

[Line("2.13")]
public sealed class AdminKeyTests : IAsyncLifetime
{
    private readonly SigningKey _key = SigningKey.Generate(SignatureAlgorithm.ES256);
    private DoorServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await DoorServer.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _key.Dispose();
    }

    [Fact]
    public async Task An_added_key_is_an_admin_and_a_removed_one_is_nobody_at_once_its_tokens_included()
    {
        var own = (await ListAsync()).Single();
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.ClientTokenAsync(_key)).Status);
        var added = await AddAsync();
        Assert.Equal((HttpStatusCode.Created, AdminKeys.ClientId(_key.Public)), (added.Status, added.Json["id"]!.GetValue<string>()));
        var token = (await _server.ClientTokenAsync(_key)).Json["access_token"]!.GetValue<string>();
        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/v1/admin-keys", token)).Status);

        Assert.Equal(HttpStatusCode.NoContent, (await RemoveAsync(AdminKeys.ClientId(_key.Public))).Status);

        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.GetAsync("/v1/admin-keys", token)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.ClientTokenAsync(_key)).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await AddAsync()).Status);
        // The first is of this host's own key, at the server's first start: nobody asked for it.
        var told = await _server.AuditAsync("admin-key.add");
        Assert.Equal([true, false], told.Select(line => line.Contains($"\"target\":\"{own}\"", StringComparison.Ordinal)));
        Assert.DoesNotContain("\"principal\"", told[0], StringComparison.Ordinal);
        Assert.Single(await _server.AuditAsync("admin-key.remove"));
    }

    [Fact]
    public async Task The_last_key_stays_whoever_asks_and_an_unknown_one_is_not_found()
    {
        var only = (await ListAsync()).Single();
        var refused = await RemoveAsync(only);
        Assert.Equal(HttpStatusCode.Conflict, refused.Status);
        Assert.Contains("add another first", refused.Json.ToJsonString(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, (await RemoveAsync("key_nothing")).Status);

        await AddAsync();
        var both = await ListAsync();
        // The admin's own key may be the first to go; then its token is dead, and the other stays.
        var answers = await Task.WhenAll(both.Select(RemoveAsync));
        Assert.Single(answers, answer => answer.Status == HttpStatusCode.NoContent);
        Assert.Single(await _server.Services.GetRequiredService<AdminKeys>().ListAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_removed_key_is_not_registered_again_by_its_hosts_next_start()
    {
        var own = (await ListAsync()).Single();
        await AddAsync();
        Assert.Equal(HttpStatusCode.NoContent, (await RemoveAsync(own)).Status);

        var keys = _server.Services.GetRequiredService<AdminKeys>();
        var fresh = await keys.EnsureAsync(_server.Folder, TestContext.Current.CancellationToken);

        Assert.NotEqual(own, fresh);
        Assert.Null(await keys.FindAsync(own, TestContext.Current.CancellationToken));
        Assert.Equal(fresh, await keys.EnsureAsync(_server.Folder, TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("""{"kty":"RSA","n":"AQAB","e":"AQ"}""", "x", "jwk")]
    [InlineData("""{}""", "x", "jwk")]
    [InlineData("""[]""", "", "jwk name")]
    public async Task A_weak_key_or_none_is_refused(string jwk, string name, string paths)
    {
        var answer = await _server.SendAsync(HttpMethod.Post, "/v1/admin-keys", $$"""{"jwk":{{jwk}},"name":"{{name}}"}""");

        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Equal(paths, string.Join(' ', answer.Json["mistakes"]!.AsArray().Select(m => m!["path"]!.GetValue<string>()).Order(StringComparer.Ordinal)));
        Assert.Single(await ListAsync());
    }

    [Fact]
    public async Task A_private_key_is_not_taken()
    {
        using var rsa = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        var p = rsa.ExportParameters(true);
        var jwk = new JsonObject
        {
            ["kty"] = "EC", ["crv"] = "P-256", ["x"] = Base64Url.Encode(p.Q.X!), ["y"] = Base64Url.Encode(p.Q.Y!), ["d"] = Base64Url.Encode(p.D!),
        };
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.SendAsync(HttpMethod.Post, "/v1/admin-keys", new JsonObject { ["jwk"] = jwk, ["name"] = "x" }.ToJsonString())).Status);
    }

    private Task<(HttpStatusCode Status, JsonNode Json)> AddAsync() =>
        _server.SendAsync(HttpMethod.Post, "/v1/admin-keys", $$"""{"jwk":{{AdminKeys.Jwk(_key.Public)}},"name":"alice"}""");

    private Task<(HttpStatusCode Status, JsonNode Json)> RemoveAsync(string id) => _server.SendAsync(HttpMethod.Delete, "/v1/admin-keys/" + id);

    private async Task<string[]> ListAsync() =>
        [.. (await _server.GetAsync("/v1/admin-keys")).Json["items"]!.AsArray().Select(key => key!["id"]!.GetValue<string>())];
}
