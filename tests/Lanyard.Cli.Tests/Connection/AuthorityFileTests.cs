using System.Net;
using System.Security.Cryptography.X509Certificates;
using Lanyard.Cli.Connection;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Cli.Tests.Connection;

/// <summary>A cluster changes its authority while a runner lives in it: the kubelet writes the file anew, and the API server has another certificate.</summary>
[Line("5.1")]
public sealed class AuthorityFileTests : IAsyncLifetime
{
    private readonly string _file = Path.GetTempFileName();
    private readonly X509Certificate2 _old = TestCertificates.Create("old authority");
    private readonly X509Certificate2 _new = TestCertificates.Create("new authority");
    private X509Certificate2 _shown = null!;
    private WebApplication _server = null!;
    private HttpClient _client = null!;
    private Uri _url = null!;

    public async ValueTask InitializeAsync()
    {
        _shown = TestCertificates.CreateIssuedBy(_old);
        await File.WriteAllTextAsync(_file, _old.ExportCertificatePem());
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => kestrel.Listen(
            IPAddress.Loopback, 0, listen => listen.UseHttps(new HttpsConnectionAdapterOptions { ServerCertificateSelector = (_, _) => _shown })));
        _server = builder.Build();
        _server.Run(static context =>
        {
            context.Response.Headers.Connection = "close"; // each request makes a connection, as the passing of time does
            return context.Response.WriteAsync("here");
        });
        await _server.StartAsync();
        _url = new Uri(_server.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.Single());
        _client = Transport.Create(caFile: null, new AuthorityFile(_file).Guard);
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _server.DisposeAsync();
        foreach (var certificate in (X509Certificate2[])[_old, _new, _shown])
        {
            certificate.Dispose();
        }

        File.Delete(_file);
    }

    [Fact]
    public async Task A_rotated_authority_is_trusted_by_who_lives_on_and_the_old_one_no_more()
    {
        Assert.Equal("here", await AskAsync());
        _shown = TestCertificates.CreateIssuedBy(_new);
        await Assert.ThrowsAsync<HttpRequestException>(AskAsync);

        await File.WriteAllTextAsync(_file, _old.ExportCertificatePem() + "\n" + _new.ExportCertificatePem());
        Assert.Equal("here", await AskAsync());
        await File.WriteAllTextAsync(_file, _new.ExportCertificatePem());
        Assert.Equal("here", await AskAsync());
        _shown = TestCertificates.CreateIssuedBy(_old);
        await Assert.ThrowsAsync<HttpRequestException>(AskAsync);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("-----BEGIN CERTIFICATE-----\nMIIB")]
    public async Task A_file_that_is_away_or_half_written_leaves_what_was_trusted(string? content)
    {
        if (content is null)
        {
            File.Delete(_file);
        }
        else
        {
            await File.WriteAllTextAsync(_file, content);
        }

        Assert.Equal("here", await AskAsync());
        _shown = TestCertificates.CreateIssuedBy(_new);
        await Assert.ThrowsAsync<HttpRequestException>(AskAsync);
    }

    [Fact]
    public async Task Another_hosts_certificate_of_the_same_authority_is_refused()
    {
        _url = new UriBuilder(_url) { Host = "localhost" }.Uri;
        Assert.Equal("here", await AskAsync());

        _shown = TestCertificates.CreateIssuedBy(_old, "elsewhere");
        await Assert.ThrowsAsync<HttpRequestException>(AskAsync);
    }

    private Task<string> AskAsync() => _client.GetStringAsync(_url, TestContext.Current.CancellationToken);
}
