using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Lanyard.ClusterProxy.Cluster;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Serving;

/// <summary>The whole proxy with its files, while they change.</summary>
public sealed class ReloadTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-reload-").FullName;
    private readonly ManualTime _time = new(TimeProvider.System.GetUtcNow());
    private readonly RawUpstream _upstream = RawUpstream.Answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    private readonly HttpClient _client = new();
    private TestIssuer _issuer = null!;
    private ClusterProxyHost _host = null!;
    private bool _ended;

    public async ValueTask InitializeAsync()
    {
        _issuer = await TestIssuer.StartAsync();
        Write("kubeconfig", $$"""
            apiVersion: v1
            kind: Config
            current-context: c
            contexts: [{name: c, context: {cluster: c, user: u} }]
            clusters: [{name: c, cluster: {server: "{{_upstream.Address.GetLeftPart(UriPartial.Authority)}}"} }]
            users: [{name: u, user: {token: own} }]
            """);
        Write("authentication", Authentication("ci:"));
        Write("policy", Policy("None"));
        _host = await StartAsync("--plain-http", "--audit-policy-file", At("policy"), "--audit-log-path", At("audit"));
    }

    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        await _upstream.DisposeAsync();
        await _issuer.DisposeAsync();
        _client.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    [Line("3.8")]
    public async Task A_changed_audit_policy_holds_for_the_next_request_and_one_with_mistakes_changes_nothing()
    {
        await GetAsync("/api/v1/pods");
        Change("policy", Policy("Metadata"));
        await GetAsync("/api/v1/nodes");
        Change("policy", Policy("Everything"));
        await GetAsync("/api/v1/secrets");
        Change("policy", Policy("None"));
        await GetAsync("/api/v1/services");
        await EndAsync();

        var lines = await File.ReadAllTextAsync(At("audit"), TestContext.Current.CancellationToken);
        Assert.DoesNotContain("/pods", lines, StringComparison.Ordinal);
        Assert.Contains("/nodes", lines, StringComparison.Ordinal);
        Assert.Contains("/secrets", lines, StringComparison.Ordinal);
        Assert.DoesNotContain("/services", lines, StringComparison.Ordinal);
    }

    [Fact]
    [Line("3.1")]
    public async Task A_changed_mapping_holds_for_a_token_that_was_let_in_before_also_on_its_open_connection()
    {
        var token = _issuer.Mint("k8s", "me");
        await GetAsync("/a", token);
        Change("authentication", Authentication("other:"));
        await GetAsync("/b", token);
        Change("authentication", Authentication("third:").Replace("audiences", "audience", StringComparison.Ordinal));
        await GetAsync("/c", token);
        Change("authentication", Authentication("ci:").Replace("[k8s]", "[elsewhere]", StringComparison.Ordinal));
        using var refused = await SendAsync("/d", token);

        Assert.Equal(["ci:me", "other:me", "other:me"], _upstream.Heads.Select(static h => h.Value("Impersonate-User")));
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
    }

    [Theory]
    [Line("3.6")]
    [InlineData("tls.crt", "tls.key")]
    [InlineData("tls.key", "tls.crt")]
    public async Task Of_a_renewal_that_writes_one_file_after_the_other_the_new_certificate_is_served_when_both_are_there(string first, string second)
    {
        using var old = TestCertificates.Create();
        using var renewed = TestCertificates.Create();
        Write("tls.crt", old.ExportCertificatePem());
        Write("tls.key", old.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        await using var host = await StartAsync("--tls-cert-file", At("tls.crt"), "--tls-private-key-file", At("tls.key"));
        var pair = new Dictionary<string, string> { ["tls.crt"] = renewed.ExportCertificatePem(), ["tls.key"] = renewed.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem() };

        Change(first, pair[first]);
        Assert.Equal(old.Thumbprint, await SeenAsync(host));
        Change(second, pair[second]);

        Assert.Equal(renewed.Thumbprint, await SeenAsync(host));
    }

    private async Task<ClusterProxyHost> StartAsync(params string[] options)
    {
        var host = new ClusterProxyHost(
            ClusterProxyOptions.Parse(["--kubeconfig", At("kubeconfig"), "--authentication-config", At("authentication"), "--listen", "127.0.0.1:0", .. options]), _time, NullLoggerFactory.Instance);
        await host.StartAsync();
        return host;
    }

    private static async Task<string> SeenAsync(ClusterProxyHost host)
    {
        using var connection = new TcpClient();
        await connection.ConnectAsync(IPAddress.Loopback, host.Address.Port);
        await using var tls = new SslStream(connection.GetStream(), leaveInnerStreamOpen: false, static (_, certificate, _, _) => certificate is not null);
        await tls.AuthenticateAsClientAsync("localhost");
        return tls.RemoteCertificate!.GetCertHashString();
    }

    /// <summary>What was noted down is written by then.</summary>
    private async Task EndAsync()
    {
        if (!_ended)
        {
            _ended = true;
            await _host.DisposeAsync();
        }
    }

    private static string Policy(string level) => $"apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{{level: {level}}}]\n";

    private string Authentication(string prefix) => $$"""
        apiVersion: apiserver.config.k8s.io/v1
        kind: AuthenticationConfiguration
        jwt:
        - issuer: {url: "{{_issuer.Issuer}}", audiences: [k8s]}
          claimMappings: {username: {claim: sub, prefix: "{{prefix}}"} }
        """;

    private async Task GetAsync(string path, string? token = null)
    {
        using var answer = await SendAsync(path, token ?? _issuer.Mint("k8s"));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    private Task<HttpResponseMessage> SendAsync(string path, string token)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, new Uri(_host.Address, path));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return _client.SendAsync(request);
    }

    private void Change(string name, string text)
    {
        Write(name, text);
        _time.Advance(FileWatch.Period);
    }

    private void Write(string name, string text) => File.WriteAllText(At(name), text);

    private string At(string name) => Path.Combine(_folder, name);
}
