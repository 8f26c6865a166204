using Lanyard.ClusterProxy.Cluster;
using Lanyard.ClusterProxy.Upstream;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Cluster;

/// <summary>The files of the proxy's own way to the cluster change while it runs.</summary>
[Line("3.6")]
public sealed class ClusterAccessTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-access-").FullName;
    private readonly ManualTime _time = new();
    private readonly List<FileWatch> _watches = [];
    private readonly List<string> _refused = [];

    public void Dispose()
    {
        _watches.ForEach(w => w.Dispose());
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_new_token_of_the_proxys_own_is_used_for_the_next_request_and_an_empty_one_never()
    {
        await using var upstream = RawUpstream.Answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        File.WriteAllText(At("token"), "first\n");
        var access = Access($"server: \"{upstream.Address.GetLeftPart(UriPartial.Authority)}\"", "tokenFile: token");

        await GetAsync(access);
        Change("token", "second\n");
        await GetAsync(access);
        Change("token", "\n");
        await GetAsync(access);

        Assert.Equal(["Bearer first", "Bearer second", "Bearer second"], upstream.Heads.Select(h => h.Value("Authorization")));
        Assert.Single(_refused);
    }

    /// <summary>The first file is nobody's afterwards, the second is renewed as every token of a service account is.</summary>
    [Fact]
    public async Task A_kubeconfig_that_names_another_token_file_is_followed_to_it_and_its_renewals()
    {
        await using var upstream = RawUpstream.Answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        File.WriteAllText(At("token"), "first");
        File.WriteAllText(At("other"), "second");
        var access = Access($"server: \"{upstream.Address.GetLeftPart(UriPartial.Authority)}\"", "tokenFile: token");

        Change("config", File.ReadAllText(At("config")).Replace("tokenFile: token", "tokenFile: other", StringComparison.Ordinal));
        await GetAsync(access);
        Change("other", "third");
        await GetAsync(access);
        Change("token", "fourth");
        await GetAsync(access);

        Assert.Equal(["Bearer second", "Bearer third", "Bearer third"], upstream.Heads.Select(h => h.Value("Authorization")));
        Assert.Empty(_refused);
    }

    [Fact]
    public async Task A_new_authority_is_believed_from_then_on_and_the_old_one_no_longer()
    {
        using var old = TestCertificates.Create();
        using var renewed = TestCertificates.Create();
        await using var upstream = RawUpstream.Answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", renewed);
        File.WriteAllText(At("ca.crt"), old.ExportCertificatePem());
        var access = Access($"server: \"https://127.0.0.1:{upstream.Address.Port}\"\n    certificate-authority: ca.crt", "token: x");

        await Assert.ThrowsAsync<UpstreamException>(() => GetAsync(access));
        Change("ca.crt", renewed.ExportCertificatePem());
        Assert.Equal(200, await GetAsync(access));
        Change("ca.crt", "nonsense");
        Assert.Equal(200, await GetAsync(access));
        Change("ca.crt", old.ExportCertificatePem());
        await Assert.ThrowsAsync<UpstreamException>(() => GetAsync(access));
    }

    [Fact]
    public async Task Several_addresses_are_used_in_turn_under_the_name_of_the_kubeconfigs_server()
    {
        await using var first = RawUpstream.Answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        await using var second = RawUpstream.Answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        var access = Access("server: \"http://localhost:1\"", "token: x", first.Address.Authority, second.Address.Authority);

        for (var i = 0; i < 4; i++)
        {
            Assert.Equal(200, await GetAsync(access));
        }

        Assert.Equal((2, 2), (first.Heads.Count, second.Heads.Count));
        Assert.All(first.Heads.Concat(second.Heads), h => Assert.Equal("localhost:1", h.Value("Host")));
    }

    private string At(string name) => Path.Combine(_folder, name);

    private void Change(string name, string text)
    {
        File.WriteAllText(At(name), text);
        _time.Advance(FileWatch.Period);
    }

    private ClusterAccess Access(string cluster, string user, params string[] addresses)
    {
        File.WriteAllText(At("config"), $"""
            apiVersion: v1
            kind: Config
            current-context: x
            contexts: [{"{name: x, context: {cluster: c, user: u}}"}]
            clusters:
            - name: c
              cluster:
                {cluster}
            users:
            - name: u
              user:
                {user}
            """);
        var options = ClusterProxyOptions.Parse(
        [
            "--kubeconfig", At("config"), "--plain-http", "--listen", "127.0.0.1:0", "--oidc-issuer-url", "https://issuer.example", "--oidc-client-id", "k8s",
            .. addresses.SelectMany(a => new[] { "--api-server-address", a }),
        ]);
        return new ClusterAccess(options, _time, (file, text, changed) => _watches.Add(new FileWatch(file, text, changed, (name, _) => _refused.Add(name), _time)), NullLogger.Instance);
    }

    private static async Task<int> GetAsync(ClusterAccess access)
    {
        using var head = new HeadBuffer();
        head.Raw("GET / HTTP/1.1\r\n"u8);
        head.Raw(access.Target.HostLine);
        head.Raw(access.Target.Credential.AuthorizationLine);
        head.Raw("\r\n"u8);
        var exchange = await access.Client.SendAsync(new UpstreamRequest(head.Written.ToArray(), null, IsHead: false, MayRepeat: true, WantsUpgrade: false), default);
        await using (exchange)
        {
            await exchange.CopyBodyAsync(System.IO.Pipelines.PipeWriter.Create(Stream.Null));
            return exchange.Head.Status;
        }
    }
}
