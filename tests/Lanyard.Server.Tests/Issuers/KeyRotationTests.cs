using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Server.Issuers;
using Lanyard.Server.Tests.Federation;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Issuers;

/// <summary>Issuers as relying parties see them, through rotations by command and by schedule: no valid token is ever refused.</summary>
[Line("2.2")]
public sealed class KeyRotationTests : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private DoorServer _server = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private KeyRing Ring => _server.Services.GetRequiredService<KeyRing>();

    public async ValueTask InitializeAsync()
    {
        _server = await DoorServer.StartAsync(_time);
        await _server.PutAsync("/v1/workspaces/acme", "{}");
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Discovery_stands_at_the_right_path_of_each_standard_for_instance_and_workspace()
    {
        foreach (var (path, issuer) in ((string, string)[])
            [
                ("/.well-known/openid-configuration", ""), ("/.well-known/oauth-authorization-server", ""),
                ("/oidc/acme/.well-known/openid-configuration", "/oidc/acme"), ("/.well-known/oauth-authorization-server/oidc/acme", "/oidc/acme"),
            ])
        {
            var (status, document) = await _server.GetAsync(path, "");
            Assert.Equal((path, HttpStatusCode.OK, _server.Url + issuer), (path, status, document["issuer"]!.GetValue<string>()));
            foreach (var name in (string[])["token", "introspection", "revocation"])
                Assert.StartsWith($"{_server.Url}{issuer}/", document[name + "_endpoint"]!.GetValue<string>(), StringComparison.Ordinal);
            var keys = (await _server.GetAsync(document["jwks_uri"]!.GetValue<string>()[_server.Url.Length..], "")).Json["keys"]!.AsArray();
            Assert.Equal(issuer.Length == 0 ? ["ES256"] : ["ES256", "RS256"], keys.Select(static key => key!["alg"]!.GetValue<string>()).Order());
            Assert.All(keys, static key => Assert.Null(key!["d"]));
        }

        Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync("/oidc/nothing/.well-known/openid-configuration", "")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync("/.well-known/oauth-authorization-server/oidc/nothing", "")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync("/oidc/nothing/jwks", "")).Status);
    }

    [Fact]
    public async Task A_key_rotated_by_command_signs_at_once_and_tokens_of_the_old_one_stay_good_until_they_expire()
    {
        var old = await TokenAsync();
        var before = await KeyIdsAsync();

        Assert.Equal(HttpStatusCode.OK, (await _server.SendAsync(HttpMethod.Post, "/v1/issuer/rotate", """{"now":true}""")).Status);
        var fresh = await TokenAsync();

        Assert.NotEqual(KeyIdOf(old), KeyIdOf(fresh));
        Assert.Equal([KeyIdOf(fresh), KeyIdOf(old)], (await KeyIdsAsync()).Order(Comparer<string>.Create((a, b) => before.Contains(a).CompareTo(before.Contains(b)))));
        foreach (var token in (string[])[old, fresh]) Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/v1/admin-keys", token)).Status);
        Assert.Single(await _server.AuditAsync("issuer.rotate"));

        _time.Advance(TimeSpan.FromMinutes(11));
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.GetAsync("/v1/admin-keys", old)).Status);
    }

    [Fact]
    [Line("2.3")]
    public async Task A_thousand_bearers_at_once_with_key_ids_that_nobody_has_are_one_reading_of_the_keys()
    {
        await Ring.GetAsync(KeyRing.InstanceOwner, Cancel);
        _time.Advance(TimeSpan.FromSeconds(2));
        using var start = new ManualResetEventSlim();

        var asking = Enumerable.Range(0, 1000).Select(i => Task.Run(async () =>
        {
            start.Wait(Cancel);
            return await Ring.GetForAsync(KeyRing.InstanceOwner, $"unknown-{i}", Cancel);
        })).ToList();
        start.Set();

        Assert.Single((await Task.WhenAll(asking)).Distinct(ReferenceEqualityComparer.Instance));
    }

    [Fact]
    public async Task A_command_that_is_no_emergency_publishes_first_and_signs_a_day_later()
    {
        var signing = KeyIdOf(await TokenAsync());
        await _server.SendAsync(HttpMethod.Post, "/v1/issuer/rotate", """{"now":false}""");
        var next = (await KeyIdsAsync()).Single(key => key != signing);

        await _server.SendAsync(HttpMethod.Post, "/v1/issuer/rotate", """{"now":false}""");
        Assert.Equal(signing, KeyIdOf(await TokenAsync()));
        _time.Advance(TimeSpan.FromHours(24));
        await _server.LogInAsync(_time);
        await _server.SendAsync(HttpMethod.Post, "/v1/issuer/rotate", """{"now":false}""");
        Assert.Equal(next, KeyIdOf(await TokenAsync()));
    }

    [Fact]
    public async Task Through_rotations_by_schedule_every_token_is_good_for_all_of_its_life_and_every_key_was_published_a_day_before_it_signed()
    {
        var published = new Dictionary<string, DateTimeOffset>(StringComparer.Ordinal);
        var signers = new HashSet<string>(StringComparer.Ordinal);
        var first = KeyIdOf(await TokenAsync());
        var schedule = KeySchedule.Default;
        _time.Jump(schedule.Period - TimeSpan.FromHours(30));
        for (var hour = 0; hour < 60; hour++)
        {
            var token = await TokenAsync();
            signers.Add(KeyIdOf(token));
            _time.Jump(TimeSpan.FromMinutes(9));
            await Ring.TendAllAsync(Cancel);
            Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/v1/admin-keys", token)).Status);
            var now = await KeyIdsAsync();
            foreach (var key in now) published.TryAdd(key, _time.GetUtcNow());
            var signer = KeyIdOf(await TokenAsync());
            Assert.True(signer == first || _time.GetUtcNow() - published[signer] >= schedule.PublishLead, $"hour {hour}");
            Assert.Contains(KeyIdOf(token), now);
            _time.Jump(TimeSpan.FromMinutes(51));
        }

        Assert.Equal(2, signers.Count);
        Assert.DoesNotContain(first, await KeyIdsAsync());
    }

    [Fact]
    public async Task Private_keys_are_in_the_database_only_encrypted_by_a_key_that_is_not_in_it_and_is_its_owners_alone()
    {
        var path = Path.Combine(_server.Folder, "key-encryption.key");
        Assert.Equal((UnixFileMode.UserRead | UnixFileMode.UserWrite, 32L), (File.GetUnixFileMode(path), new FileInfo(path).Length));
        var rows = await _server.Database.QueryAsync($"select kid, owner, private_key from signing_keys", static row => (Kid: row.GetString(0), Owner: row.GetString(1), Box: Convert.FromBase64String(row.GetString(2))), Cancel);
        Assert.NotEmpty(rows);
        var encryption = KeyEncryption.FromFile(path);
        var other = KeyEncryption.FromFile(Path.Combine(_server.Folder, "another.key"));
        foreach (var (kid, owner, box) in rows)
        {
            var plain = encryption.Decrypt(box, owner, kid);
            Assert.Equal(-1, box.AsSpan().IndexOf(plain.AsSpan(plain.Length - 24)));
            Assert.ThrowsAny<CryptographicException>(() => other.Decrypt(box, owner, kid));
            Assert.ThrowsAny<CryptographicException>(() => encryption.Decrypt(box, owner, kid + "x"));
            Assert.ThrowsAny<CryptographicException>(() => encryption.Decrypt(box, "another", kid));
        }

        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        Assert.Throws<InvalidOperationException>(() => KeyEncryption.FromFile(path));
    }

    private async Task<string> TokenAsync()
    {
        using var key = Lanyard.Identity.Jose.SigningKey.FromPem(await File.ReadAllTextAsync(Path.Combine(_server.Folder, Lanyard.Server.Federation.AdminKeys.FileName), Cancel)).Value;
        var token = (await _server.ClientTokenAsync(key, _time)).Json["access_token"]!.GetValue<string>();
        await _server.LogInAsync(_time);
        return token;
    }

    private async Task<List<string>> KeyIdsAsync() => [.. (await _server.GetAsync("/jwks", "")).Json["keys"]!.AsArray().Select(static key => key!["kid"]!.GetValue<string>())];

    private static string KeyIdOf(string token) =>
        JsonNode.Parse(Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(token.Split('.')[0])))!["kid"]!.GetValue<string>();
}
