using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Lanyard.ClusterProxy.Serving;
using Lanyard.ClusterProxy.Tls;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Serving;

[Line("3.6")]
public sealed class TlsServingTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-serving-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_new_serving_certificate_is_served_without_a_restart()
    {
        using var first = TestCertificates.Create();
        using var second = TestCertificates.Create();
        Write(first);
        using var serving = new ServingCertificate(At("tls.crt"), At("tls.key"));
        await using var upstream = RawUpstream.Answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address, certificate: serving.Get);

        Assert.Equal(first.Thumbprint, (await GetAsync(proxy)).Thumbprint);
        Write(second);
        serving.Reload();
        Assert.Equal(second.Thumbprint, (await GetAsync(proxy)).Thumbprint);
        File.WriteAllText(At("tls.key"), "nonsense");
        Assert.ThrowsAny<Exception>(serving.Reload);
        Assert.Equal(second.Thumbprint, (await GetAsync(proxy)).Thumbprint);
    }

    [Fact]
    [Line("3.3")]
    public async Task HTTP2_clients_reach_the_API_server_over_HTTP1()
    {
        using var certificate = TestCertificates.Create();
        await using var upstream = RawUpstream.Answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address, certificate: () => new() { ServerCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true) });

        var (_, version, body) = await GetAsync(proxy, HttpVersion.Version20);

        Assert.Equal((HttpVersion.Version20, "{}"), (version, body));
        Assert.True(upstream.Heads.TryDequeue(out var head));
        Assert.Equal("GET /api HTTP/1.1", head.StartLine);
        Assert.Equal(["a", "b"], head.Values("Impersonate-Group"));
    }

    [Fact]
    public async Task What_stands_behind_the_certificate_in_its_file_is_sent_to_clients()
    {
        using var root = TestCertificates.Create("root.test");
        using var between = TestCertificates.CreateIssuedBy(root, "between.test");
        using var issued = TestCertificates.CreateIssuedBy(between);
        Write(issued);
        File.AppendAllText(At("tls.crt"), "\n" + between.ExportCertificatePem());
        using var serving = new ServingCertificate(At("tls.crt"), At("tls.key"));
        await using var upstream = RawUpstream.Answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address, certificate: serving.Get);
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, proxy.Address.Port);
        var sent = new List<string>();
        await using var tls = new SslStream(new NetworkStream(socket), false, (_, _, chain, _) =>
        {
            sent.AddRange(chain!.ChainPolicy.ExtraStore.Select(static c => c.Thumbprint));
            return true;
        });

        await tls.AuthenticateAsClientAsync("localhost");

        Assert.Contains(between.Thumbprint, sent);
    }

    [Fact]
    [Line("3.6")]
    public async Task On_this_runtime_an_authenticated_connection_can_be_asked_to_release_OpenSSLs_buffers_and_goes_on_reading_and_writing()
    {
        using var certificate = TestCertificates.Create();
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var accepting = listener.AcceptTcpClientAsync();
        using var far = new TcpClient();
        await far.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        using var near = await accepting;
        await using var server = new SslStream(near.GetStream());
        await using var client = new SslStream(far.GetStream(), false, static (_, seen, _, _) => seen is not null);
        Assert.False(TlsBuffers.ReleaseWhenIdle(server));
        await Task.WhenAll(server.AuthenticateAsServerAsync(certificate), client.AuthenticateAsClientAsync("localhost"));

        Assert.True(TlsBuffers.ReleaseWhenIdle(server));
        Assert.True(TlsBuffers.ReleaseWhenIdle(client));
        var buffer = new byte[64 * 1024];
        foreach (var length in (int[])[1, 64 * 1024, 1])
        {
            var sending = client.WriteAsync(new byte[length]);
            await server.ReadExactlyAsync(buffer.AsMemory(0, length));
            await sending;
        }
    }

    private string At(string name) => Path.Combine(_folder, name);

    private void Write(X509Certificate2 certificate)
    {
        File.WriteAllText(At("tls.crt"), certificate.ExportCertificatePem());
        File.WriteAllText(At("tls.key"), certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
    }

    private static async Task<(string Thumbprint, Version Version, string Body)> GetAsync(ProxyDriver proxy, Version? version = null)
    {
        var thumbprint = "";
        using var handler = new HttpClientHandler
        {
            ServerCertificateCustomValidationCallback = (_, seen, _, _) =>
            {
                thumbprint = seen!.Thumbprint;
                return true;
            },
        };
        using var client = new HttpClient(handler);
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(proxy.Address, "/api")) { Version = version ?? HttpVersion.Version11, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        request.Headers.Add("Authorization", "Bearer good");
        using var answer = await client.SendAsync(request);
        return (thumbprint, answer.Version, await answer.Content.ReadAsStringAsync());
    }
}
