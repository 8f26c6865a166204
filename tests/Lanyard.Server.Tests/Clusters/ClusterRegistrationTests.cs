using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Identity.Jose;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Clusters;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Lanyard.Testing.Kube;
using Xunit;

namespace Lanyard.Server.Tests.Clusters;

/// <summary>Registration with tokens of a real API server: what holds is stored, everything else leaves nothing.</summary>
[Line("2.7")]
[Needs("kube")]
public sealed class ClusterRegistrationTests(TwoClusters clusters) : IClassFixture<TwoClusters>, IAsyncLifetime
{
    private ClusterServer _server = null!;
    private int _tokens;

    public async ValueTask InitializeAsync() => _server = await ClusterServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task A_token_of_the_runners_service_account_registers_its_cluster()
    {
        var token = await clusters.First.RequestTokenAsync("lanyard", "runner", [_server.Url], 600);
        var (status, report) = await _server.RegisterAsync("prod", await clusters.SpecAsync(clusters.First), token);

        Assert.True(status == 201, report is null ? $"{status}" : TrialText.Of(report));
        Assert.True(report!.Verified);
        var trusted = Assert.Single(_server.Trusted.Values);
        Assert.Equal((clusters.Issuer, "prod"), (trusted.Issuer, trusted.Slug));
        Assert.StartsWith("clu_", trusted.Id, StringComparison.Ordinal);

        var (_, body) = await _server.SendAsync(HttpMethod.Get, "/v1/workspaces/acme/clusters/prod", bearer: "viewer");
        Assert.True(body!["status"]!["report"]!["verified"]!.GetValue<bool>());
        var stored = string.Concat(await _server.Database.QueryAsync($"select spec, status from clusters", static row => row.GetString(0) + row.GetString(1)));
        foreach (var part in token.Split('.'))
        {
            Assert.DoesNotContain(part, stored + string.Concat(await _server.AuditAsync()), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_token_for_another_audience_registers_nothing() =>
        await RefusedAsync("audience", await clusters.First.RequestTokenAsync("lanyard", "runner", ["https://elsewhere.example.com"], 600));

    [Fact]
    public async Task A_token_of_the_API_servers_own_audience_registers_nothing() =>
        await RefusedAsync("audience", await clusters.First.RequestTokenAsync("lanyard", "runner", [], 600));

    [Fact]
    public async Task A_token_of_another_service_account_registers_nothing() =>
        await RefusedAsync("subject", await clusters.First.RequestTokenAsync("lanyard", "other", [_server.Url], 600));

    [Fact]
    public async Task A_token_of_another_cluster_with_the_same_issuer_string_registers_nothing() =>
        await RefusedAsync("keys", await clusters.Second.RequestTokenAsync("lanyard", "runner", [_server.Url], 600));

    [Fact]
    public async Task A_wrong_issuer_registers_nothing()
    {
        var spec = await clusters.SpecAsync(clusters.First) with { Issuer = "https://kubernetes.default.svc" };

        await RefusedAsync("issuer", await clusters.First.RequestTokenAsync("lanyard", "runner", [_server.Url], 600), spec);
    }

    [Fact]
    public async Task Keys_that_are_anothers_register_nothing()
    {
        using var other = SigningKey.Generate(SignatureAlgorithm.RS256);
        using var jwks = JsonDocument.Parse(KeySet.Of(other.Public).ToJson());
        var spec = await clusters.SpecAsync(clusters.First) with { Keys = new ClusterKeys(Jwks: jwks.RootElement.Clone()) };

        await RefusedAsync("keys", await clusters.First.RequestTokenAsync("lanyard", "runner", [_server.Url], 600), spec);
    }

    [Fact]
    public async Task An_expired_token_registers_nothing()
    {
        var token = await clusters.First.RequestTokenAsync("lanyard", "runner", [_server.Url], 600);
        _server.Time.Shift = TimeSpan.FromMinutes(30);

        await RefusedAsync("life", token);
    }

    [Fact]
    public async Task A_token_that_lives_but_is_an_hour_old_registers_nothing()
    {
        var token = await clusters.First.RequestTokenAsync("lanyard", "runner", [_server.Url], 7200);
        _server.Time.Shift = TimeSpan.FromMinutes(61);

        await RefusedAsync("clock", token);
    }

    [Fact]
    public async Task A_trial_token_is_good_once_even_for_another_name()
    {
        var token = await clusters.First.RequestTokenAsync("lanyard", "runner", [_server.Url], 600);
        var spec = await clusters.SpecAsync(clusters.First);
        Assert.Equal(201, (await _server.RegisterAsync("prod", spec, token)).Status);

        var (status, report) = await _server.RegisterAsync("prod-2", spec, token);

        Assert.Equal(422, status);
        Assert.Equal(["once"], report!.Lines.Where(line => !line.Ok).Select(line => line.Name));
        Assert.Single(_server.Trusted);
    }

    [Fact]
    [Line("2.3")]
    public async Task Two_clusters_with_one_issuer_string_and_different_keys_are_registered_side_by_side()
    {
        Assert.Equal(201, (await _server.RegisterAsync("one", await clusters.SpecAsync(clusters.First), await TokenAsync(clusters.First))).Status);
        Assert.Equal(201, (await _server.RegisterAsync("two", await clusters.SpecAsync(clusters.Second), await TokenAsync(clusters.Second))).Status);

        Assert.Equal(2, _server.Trusted.Count);
        Assert.Single(_server.Trusted.Values.Select(record => record.Issuer).Distinct());
        Assert.Equal(2, _server.Trusted.Values.Select(record => record.Jwks).Distinct().Count());
    }

    [Fact]
    public async Task A_registered_cluster_is_replaced_only_by_its_ETag_and_a_new_trial()
    {
        var spec = await clusters.SpecAsync(clusters.First);
        Assert.Equal(201, (await _server.RegisterAsync("prod", spec, await TokenAsync(clusters.First))).Status);

        Assert.Equal(428, (await _server.RegisterAsync("prod", spec, await TokenAsync(clusters.First))).Status);
        var (_, present) = await _server.SendAsync(HttpMethod.Get, "/v1/workspaces/acme/clusters/prod");
        var etag = $"\"{present!["etag"]}\"";
        var (withoutToken, mistakes) = await _server.SendAsync(HttpMethod.Put, "/v1/workspaces/acme/clusters/prod", ClusterServer.Write(spec, null), ifMatch: etag);
        Assert.Equal((400, "token"), (withoutToken, mistakes!["mistakes"]![0]!["path"]!.GetValue<string>()));

        var write = ClusterServer.Write(spec, await TokenAsync(clusters.First));
        Assert.Equal(200, (await _server.SendAsync(HttpMethod.Put, "/v1/workspaces/acme/clusters/prod", write, ifMatch: etag)).Status);
        Assert.Equal(2, Assert.Single(_server.Trusted.Values).Version);
    }

    [Fact]
    public async Task Deleting_a_cluster_ends_its_trust()
    {
        await _server.RegisterAsync("prod", await clusters.SpecAsync(clusters.First), await TokenAsync(clusters.First));
        var (_, present) = await _server.SendAsync(HttpMethod.Get, "/v1/workspaces/acme/clusters/prod");

        Assert.Equal(204, (await _server.SendAsync(HttpMethod.Delete, "/v1/workspaces/acme/clusters/prod", ifMatch: $"\"{present!["etag"]}\"")).Status);
        Assert.Empty(_server.Trusted);
        Assert.Equal(404, (await _server.SendAsync(HttpMethod.Get, "/v1/workspaces/acme/clusters/prod")).Status);
    }

    [Theory]
    [InlineData("foreign", 404)]
    [InlineData("viewer", 403)]
    [InlineData(null, 401)]
    public async Task Who_does_not_administer_the_workspace_registers_nothing(string? bearer, int status)
    {
        var write = ClusterServer.Write(await clusters.SpecAsync(clusters.First), await TokenAsync(clusters.First));

        Assert.Equal(status, (await _server.SendAsync(HttpMethod.Put, "/v1/workspaces/acme/clusters/prod", write, bearer)).Status);
        Assert.Equal(0, await _server.CountAsync("clusters"));
    }

    /// <summary>Kubernetes 1.20 gives tokens no jti: two of the same second and the same life would be one token, which is good once.</summary>
    private Task<string> TokenAsync(KubeCluster cluster) => cluster.RequestTokenAsync("lanyard", "runner", [_server.Url], 600 + _tokens++);

    private async Task RefusedAsync(string line, string token, ClusterSpec? spec = null)
    {
        var (status, report) = await _server.RegisterAsync("prod", spec ?? await clusters.SpecAsync(clusters.First), token);

        Assert.Equal(422, status);
        Assert.False(report!.Verified);
        Assert.Equal([line], report.Lines.Where(each => !each.Ok).Select(each => each.Name));
        Assert.Empty(_server.Trusted);
        Assert.Equal(0, await _server.CountAsync("clusters"));
        Assert.Contains(await _server.AuditAsync(), text => text.Contains("cluster.register", StringComparison.Ordinal) && text.Contains("refused", StringComparison.Ordinal));
        Assert.DoesNotContain(await _server.AuditAsync(), text => text.Contains(token.Split('.')[2], StringComparison.Ordinal));
    }
}

/// <summary>Two real API servers that call themselves the same, with different keys, as every kubeadm and kind cluster does.</summary>
public sealed class TwoClusters : IAsyncLifetime
{
    private const string SharedIssuer = "https://kubernetes.default.svc.cluster.local";

    public string Issuer => SharedIssuer;

    public KubeCluster First { get; } = new() { ApiServerFlags = [$"--service-account-issuer={SharedIssuer}"] };

    public KubeCluster Second { get; } = new() { ApiServerFlags = [$"--service-account-issuer={SharedIssuer}"] };

    public async ValueTask InitializeAsync()
    {
        foreach (var cluster in new[] { First, Second })
        {
            await cluster.InitializeAsync();
            await cluster.CreateNamespaceAsync("lanyard");
            await cluster.CreateServiceAccountAsync("lanyard", "runner");
            await cluster.CreateServiceAccountAsync("lanyard", "other");
        }
    }

    /// <summary>What a wizard reads from the API server.</summary>
    public async Task<ClusterSpec> SpecAsync(KubeCluster cluster)
    {
        using var jwks = JsonDocument.Parse(await cluster.GetJwksAsync());
        var discovery = JsonNode.Parse(await cluster.Client.GetStringAsync(new Uri("/.well-known/openid-configuration", UriKind.Relative)))!;
        return new ClusterSpec(
            discovery["issuer"]!.GetValue<string>(), new ClusterKeys(Jwks: jwks.RootElement.Clone()), new ClusterSubject("lanyard", "runner"), "v1.20.2");
    }

    public async ValueTask DisposeAsync()
    {
        await First.DisposeAsync();
        await Second.DisposeAsync();
    }
}
