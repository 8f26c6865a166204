using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.Server.Tests.Http;

/// <summary>The whole server as <c>lanyard server</c> starts it, with its own listener.</summary>
[Line("2.14")]
public sealed class ServerDoorTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("lanyard-door-");

    private string CertificateFile => Path.Combine(_folder.FullName, "tls.crt");

    private string KeyFile => Path.Combine(_folder.FullName, "tls.key");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task A_renewed_certificate_is_served_without_a_restart()
    {
        var time = new ManualTime();
        var first = Write(TestCertificates.Create());
        await using var server = await StartTlsAsync(time);
        Assert.Equal(first, await SeenAsync(server));

        var second = Write(TestCertificates.Create());
        time.Advance(TimeSpan.FromSeconds(2));

        Assert.Equal(second, await SeenAsync(server));
    }

    [Fact]
    public async Task Between_the_two_files_of_a_renewal_the_old_certificate_stays_in_service()
    {
        var time = new ManualTime();
        var first = Write(TestCertificates.Create());
        await using var server = await StartTlsAsync(time);
        using var renewed = TestCertificates.Create();

        Touch(CertificateFile, renewed.ExportCertificatePem());
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(first, await SeenAsync(server));

        File.Delete(KeyFile);
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(first, await SeenAsync(server));

        Touch(KeyFile, PrivateKey(renewed));
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(renewed.Thumbprint, await SeenAsync(server));
    }

    [Fact]
    public async Task A_client_that_knows_only_the_root_believes_the_door_by_what_stands_behind_the_certificate_in_its_file()
    {
        var time = new ManualTime();
        using var root = TestCertificates.Create("root.test");
        WriteChain(root, "first.test");
        await using var server = await StartTlsAsync(time);
        await SeenAsync(server, root);

        WriteChain(root, "second.test");
        time.Advance(TimeSpan.FromSeconds(2));
        await SeenAsync(server, root);

        // Without it there is nothing to believe.
        using var missing = TestCertificates.CreateIssuedBy(root, "missing.test");
        Write(TestCertificates.CreateIssuedBy(missing));
        time.Advance(TimeSpan.FromSeconds(2));
        await Assert.ThrowsAsync<AuthenticationException>(() => SeenAsync(server, root));
    }

    [Fact]
    public async Task A_pair_that_does_not_fit_stops_the_start_and_says_which_files()
    {
        using var one = TestCertificates.Create();
        using var other = TestCertificates.Create();
        Touch(CertificateFile, one.ExportCertificatePem());
        Touch(KeyFile, PrivateKey(other));

        var refusal = await Assert.ThrowsAsync<InvalidOperationException>(() => StartTlsAsync(TimeProvider.System));

        Assert.Contains(CertificateFile, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_TLS_listener_answers_no_plain_request()
    {
        Write(TestCertificates.Create());
        await using var server = await StartTlsAsync(TimeProvider.System);
        using var client = new HttpClient();

        await Assert.ThrowsAsync<HttpRequestException>(() => client.GetAsync(new Uri($"http://{new Uri(server.Instance.Url).Authority}/oidc/x/jwks")));
    }

    [Fact]
    public async Task Forwarded_addresses_are_believed_from_listed_networks_only()
    {
        await using var trusting = await StartAsync(new ServerOptions { TrustedProxies = [IPNetwork.Parse("127.0.0.0/8")] });
        await using var elsewhere = await StartAsync(new ServerOptions { DataDirectory = Path.Combine(_folder.FullName, "other"), TrustedProxies = [IPNetwork.Parse("10.0.0.0/8")] });
        await using var none = await StartAsync(new ServerOptions { DataDirectory = Path.Combine(_folder.FullName, "none") });

        // Twenty requests in ten minutes are an address's budget: who is believed has one for each address that he names.
        Assert.DoesNotContain(HttpStatusCode.TooManyRequests, await AskFromManyAsync(trusting));
        Assert.Contains(HttpStatusCode.TooManyRequests, await AskFromManyAsync(elsewhere));
        Assert.Contains(HttpStatusCode.TooManyRequests, await AskFromManyAsync(none));
    }

    [Fact]
    public async Task The_data_directory_and_every_file_in_it_are_the_owners_alone()
    {
        await using var server = await StartAsync(new ServerOptions());

        var data = server.Instance.DataDirectory;
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(data));
        foreach (var secret in (string[])["admin-key.pem", "key-encryption.key", "lanyard.db"])
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(data, secret)));
    }

    [Fact]
    public async Task A_header_or_a_body_beyond_its_bound_is_refused_before_it_is_read()
    {
        await using var server = await StartAsync(new ServerOptions());
        // Waits for the answer to its Expect: header, however busy the machine: a body that is on its way when the server closes would break the pipe.
        using var client = new HttpClient(new SocketsHttpHandler { Expect100ContinueTimeout = TimeSpan.FromMinutes(1) });

        using var fat = new HttpRequestMessage(HttpMethod.Get, server.Instance.Url + "/v1/workspaces");
        fat.Headers.Add("X-Fat", new string('x', 64 * 1024));
        using var refusedHeader = await client.SendAsync(fat);
        using var heavy = new HttpRequestMessage(HttpMethod.Post, server.Instance.Url + "/v1/cluster-requests");
        heavy.Content = new ByteArrayContent(new byte[5 * 1024 * 1024]) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
        heavy.Headers.ExpectContinue = true;
        using var refusedBody = await client.SendAsync(heavy);

        Assert.Equal(HttpStatusCode.RequestHeaderFieldsTooLarge, refusedHeader.StatusCode);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, refusedBody.StatusCode);
    }

    private Task<RunningServer> StartTlsAsync(TimeProvider time) =>
        StartAsync(new ServerOptions { TlsCertificateFile = CertificateFile, TlsPrivateKeyFile = KeyFile }, time);

    private Task<RunningServer> StartAsync(ServerOptions options, TimeProvider? time = null) => ServerProgram.StartAsync(
        options with
        {
            Listen = new IPEndPoint(IPAddress.Loopback, 0),
            DataDirectory = options.DataDirectory == ".lanyard" ? Path.Combine(_folder.FullName, "data") : options.DataDirectory,
        },
        CancellationToken.None,
        time);

    private static async Task<List<HttpStatusCode>> AskFromManyAsync(RunningServer server)
    {
        using var client = new HttpClient();
        var answers = new List<HttpStatusCode>();
        for (var address = 1; address <= 25; address++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, server.Instance.Url + "/v1/cluster-requests");
            request.Headers.Add("X-Forwarded-For", $"192.0.2.{address}");
            request.Content = new StringContent("{}", MediaTypeHeaderValue.Parse("application/json"));
            using var answer = await client.SendAsync(request);
            answers.Add(answer.StatusCode);
        }

        return answers;
    }

    /// <summary>The thumbprint of the certificate that a new connection is shown.</summary>
    /// <param name="root">All that the client trusts; null: it takes whatever it sees.</param>
    private static async Task<string> SeenAsync(RunningServer server, X509Certificate2? root = null)
    {
        var url = new Uri(server.Instance.Url);
        using var connection = new TcpClient();
        await connection.ConnectAsync(url.Host, url.Port);
        await using var tls = new SslStream(connection.GetStream());
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck, DisableCertificateDownloads = true };
        if (root is not null) policy.CustomTrustStore.Add(root);
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            CertificateChainPolicy = policy,
            RemoteCertificateValidationCallback = root is null ? static (_, certificate, _, _) => certificate is not null : null,
        });
        using var certificate = X509CertificateLoader.LoadCertificate(tls.RemoteCertificate!.GetRawCertData());
        return certificate.Thumbprint;
    }

    /// <returns>The thumbprint.</returns>
    private string Write(X509Certificate2 certificate)
    {
        using (certificate)
        {
            Touch(CertificateFile, certificate.ExportCertificatePem());
            Touch(KeyFile, PrivateKey(certificate));
            return certificate.Thumbprint;
        }
    }

    /// <summary>A leaf, and behind it in the file a certificate between it and the root.</summary>
    private void WriteChain(X509Certificate2 root, string between)
    {
        using var issuer = TestCertificates.CreateIssuedBy(root, between);
        using var leaf = TestCertificates.CreateIssuedBy(issuer);
        Touch(CertificateFile, $"{leaf.ExportCertificatePem()}\n{issuer.ExportCertificatePem()}");
        Touch(KeyFile, PrivateKey(leaf));
    }

    private int _writes;

    /// <summary>Each write has a time of its own, however fast they follow each other.</summary>
    private void Touch(string file, string text)
    {
        File.WriteAllText(file, text);
        File.SetLastWriteTimeUtc(file, new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddSeconds(++_writes));
    }

    private static string PrivateKey(X509Certificate2 certificate)
    {
        using var key = certificate.GetECDsaPrivateKey()!;
        return key.ExportPkcs8PrivateKeyPem();
    }
}
