using System.Net;
using System.Security.Cryptography.X509Certificates;
using Lanyard.ClusterProxy.Serving;
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
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address, certificate: () => certificate);

        var (_, version, body) = await GetAsync(proxy, HttpVersion.Version20);

        Assert.Equal((HttpVersion.Version20, "{}"), (version, body));
        Assert.True(upstream.Heads.TryDequeue(out var head));
        Assert.Equal("GET /api HTTP/1.1", head.StartLine);
        Assert.Equal(["a", "b"], head.Values("Impersonate-Group"));
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
