using System.Net;
using System.Security.Cryptography.X509Certificates;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Kubernetes;
using Lanyard.Cli.Runner.Pods;
using Lanyard.Cli.Runner.Server;
using Lanyard.Cli.Tests.Runner.Kubernetes;
using Lanyard.Identity.Federation;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Runs;
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

/// <summary>A cluster or an instance changes its authority while a runner lives: the kubelet or an operator writes the file anew, and the server has another certificate.</summary>
[Line("5.1")]
public sealed class AuthoritiesTests : IAsyncLifetime
{
    private readonly string _file = Path.GetTempFileName();
    private readonly X509Certificate2 _old = TestCertificates.Create("old authority");
    private readonly X509Certificate2 _new = TestCertificates.Create("new authority");
    private X509Certificate2 _shown = null!;
    private WebApplication _server = null!;
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
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        foreach (var certificate in (X509Certificate2[])[_old, _new, _shown])
        {
            certificate.Dispose();
        }

        File.Delete(_file);
    }

    /// <summary>The ways to the instance (of a runner, of the CLI) and to an API server in whose cluster one is.</summary>
    public static TheoryData<string> Ways => ["runner", "command", "pod"];

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_rotated_authority_is_trusted_by_who_lives_on_and_the_old_one_no_more(string way)
    {
        using var client = Open(way);
        Assert.Equal("here", await AskAsync(client));
        _shown = TestCertificates.CreateIssuedBy(_new);
        await Assert.ThrowsAsync<HttpRequestException>(() => AskAsync(client));

        await File.WriteAllTextAsync(_file, _old.ExportCertificatePem() + "\n" + _new.ExportCertificatePem());
        Assert.Equal("here", await AskAsync(client));
        await File.WriteAllTextAsync(_file, _new.ExportCertificatePem());
        Assert.Equal("here", await AskAsync(client));
        _shown = TestCertificates.CreateIssuedBy(_old);
        var refused = await Assert.ThrowsAsync<HttpRequestException>(() => AskAsync(client));
        Assert.Equal("its certificate is of no authority that is trusted here; X names one to be trusted", ConnectionFault.Words(refused, _url, "X"));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("-----BEGIN CERTIFICATE-----\nMIIB")]
    public async Task A_file_that_is_away_or_half_written_leaves_what_was_trusted(string? content)
    {
        using var client = Open("runner");
        if (content is null)
        {
            File.Delete(_file);
        }
        else
        {
            await File.WriteAllTextAsync(_file, content);
        }

        Assert.Equal("here", await AskAsync(client));
        _shown = TestCertificates.CreateIssuedBy(_new);
        await Assert.ThrowsAsync<HttpRequestException>(() => AskAsync(client));
    }

    [Fact]
    public async Task Another_hosts_certificate_of_the_same_authority_is_refused()
    {
        _url = new UriBuilder(_url) { Host = "localhost" }.Uri;
        using var toInstance = Open("runner");
        using var toCloud = RunnerHttp.CreateForClouds(Authorities.InFile(_file));
        Assert.Equal("here", await AskAsync(toInstance));
        Assert.Equal("here", await AskAsync(toCloud));

        _shown = TestCertificates.CreateIssuedBy(_old, "elsewhere");
        await Assert.ThrowsAsync<HttpRequestException>(() => AskAsync(toInstance));
        await Assert.ThrowsAsync<HttpRequestException>(() => AskAsync(toCloud));
    }

    /// <summary>It proves itself to STS by the run's token: to whoever merely says that it is STS it would give that away.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_cloud_that_nobody_vouches_for_is_not_spoken_with(bool hasFile)
    {
        using var client = RunnerHttp.CreateForClouds(hasFile ? Authorities.InFile(_file) : null);
        _shown = TestCertificates.CreateIssuedBy(_new);

        await Assert.ThrowsAsync<HttpRequestException>(() => AskAsync(client));
        Assert.Empty(client.DefaultRequestHeaders);
    }

    /// <summary>Its container reads no file of the runner's: it is given what is trusted at its making.</summary>
    [Fact]
    public async Task A_pod_is_given_the_authorities_of_now()
    {
        var settings = new RunnerSettings(_url, "/w", Authorities.InFile(_file), TokenFile: "/t", Kubernetes: ClusterUnderTest.Settings);
        Assert.Equal(_old.ExportCertificatePem(), GivenTo(settings));
        await File.WriteAllTextAsync(_file, _new.ExportCertificatePem(), TestContext.Current.CancellationToken);
        Assert.Equal(_new.ExportCertificatePem(), GivenTo(settings));
        await File.WriteAllTextAsync(_file, "", TestContext.Current.CancellationToken);

        var pem = GivenTo(settings);
        Assert.Equal(_new.ExportCertificatePem(), pem);
        Assert.Equal(pem, PodSettings.ReadAuthorities(_ => pem, [])!.Pem);
        List<string> mistakes = [];
        Assert.Null(PodSettings.ReadAuthorities(static _ => "no certificate", mistakes));
        Assert.Single(mistakes);
    }

    private static string GivenTo(RunnerSettings settings) =>
        JobManifest.Create(Payloads.Of(Payloads.Script("true")) with { Pod = new PodPayload("tools:1") }, settings, "rnr_1").Value["spec"]!["template"]!["spec"]!["containers"]![0]!["env"]!.AsArray()
            .Single(static one => one!["name"]!.GetValue<string>() == PodSettings.AuthoritiesVariable)!["value"]!.GetValue<string>();

    private HttpClient Open(string way) => way switch
    {
        "runner" => RunnerHttp.Create(_url, Authorities.InFile(_file)),
        "command" => Transport.Create(_file),
        _ => Transport.Create(caFile: null, Authorities.InFile(_file).Guard),
    };

    private Task<string> AskAsync(HttpClient client) => client.GetStringAsync(_url, TestContext.Current.CancellationToken);
}
