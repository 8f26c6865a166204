using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Lanyard.Cli.Runner.Kubernetes;
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
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Kubernetes;

/// <summary>A runner outside its cluster, for months: the plugin of its kubeconfig gives tokens of minutes, and others renew what else stands there.</summary>
[Line("5.1")]
public sealed class RenewedKubeconfigTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-kubeconfig-").FullName;
    private readonly ManualTime _time = new();
    private readonly X509Certificate2 _old = TestCertificates.Create();
    private readonly X509Certificate2 _new = TestCertificates.Create();
    private X509Certificate2 _shown = null!;
    private WebApplication _server = null!;
    private string _url = "";
    private string _taken = "first";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string Config => Path.Combine(_folder, "config");

    public async ValueTask InitializeAsync()
    {
        _shown = _old;
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => kestrel.Listen(
            IPAddress.Loopback, 0, listen => listen.UseHttps(new HttpsConnectionAdapterOptions { ServerCertificateSelector = (_, _) => _shown })));
        _server = builder.Build();
        _server.Run(context =>
        {
            var isTaken = _taken.Split(' ').Any(token => context.Request.Headers.Authorization == $"Bearer {token}");
            context.Response.Headers.Connection = "close";
            context.Response.StatusCode = isTaken ? 200 : 401;
            return context.Response.WriteAsync(isTaken ? """{"kind":"JobList","items":[]}""" : """{"kind":"Status","message":"Unauthorized"}""");
        });
        await _server.StartAsync();
        _url = _server.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.Single();
        Write(_old, "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin}");
        Give("first");
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _old.Dispose();
        _new.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_token_that_the_API_server_takes_no_more_is_followed_by_the_plugins_next()
    {
        using var cluster = await OpenAsync();
        Assert.Equal(200, await AskAsync(cluster));

        Give("second");
        _taken = "second";
        Assert.Equal(401, await AskAsync(cluster));
        await GetsInAsync(cluster, "the plugin's next token serves", ClusterClient.Soonest);
    }

    [Fact]
    public async Task The_plugin_is_asked_before_what_it_gave_has_ended_and_not_for_every_call()
    {
        using var cluster = await OpenAsync();
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal(200, await AskAsync(cluster));
        }

        Assert.Equal(1, Calls());
        Give("second");
        _taken = "first second";
        _time.Advance(ClusterClient.Longest);
        await Eventually.HoldsAsync(async () => await AskAsync(cluster) == 200 && Calls() == 2, "the plugin is asked again");
        _taken = "second";
        await GetsInAsync(cluster, "what it gave serves", TimeSpan.Zero);
    }

    [Theory]
    [InlineData("token: first")]
    [InlineData("tokenFile: token")]
    [InlineData("exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin}")]
    public async Task A_rotated_authority_of_the_cluster_is_trusted_when_the_kubeconfig_names_it(string user)
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "token"), "first", Cancel);
        Write(_old, user);
        using var cluster = await OpenAsync();
        Assert.Equal(200, await AskAsync(cluster));

        _shown = _new;
        Assert.Equal(0, await AskAsync(cluster));
        Write(_new, user);
        await GetsInAsync(cluster, "the new authority is trusted", ClusterClient.Soonest);
        _shown = _old;
        Assert.Equal(0, await AskAsync(cluster));
    }

    [Fact]
    public async Task A_kubeconfig_that_is_half_written_or_a_plugin_that_fails_leaves_what_there_was()
    {
        using var cluster = await OpenAsync();
        var whole = await File.ReadAllTextAsync(Config, Cancel);
        foreach (var broken in (string[])["", "clusters: [{name", whole.Replace("./plugin", "./away", StringComparison.Ordinal)])
        {
            await File.WriteAllTextAsync(Config, broken, Cancel);
            _time.Advance(ClusterClient.Longest);
            Assert.Equal(200, await AskAsync(cluster));
        }

        await File.WriteAllTextAsync(Config, whole, Cancel);
        Give("second");
        _taken = "second";
        await GetsInAsync(cluster, "it is read again when it is whole", ClusterClient.Soonest);
    }

    private async Task<ClusterApi> OpenAsync() =>
        (await ClusterConnection.OpenAsync(ClusterUnderTest.Settings with { Kubeconfig = Config }, _time, NullLogger.Instance, Cancel)).Value;

    private static async Task<int> AskAsync(ClusterApi cluster) => (await cluster.ListJobsAsync("all=ours", Cancel)).Status;

    private Task GetsInAsync(ClusterApi cluster, string what, TimeSpan each) => Eventually.HoldsAsync(
        async () =>
        {
            _time.Advance(each);
            return await AskAsync(cluster) == 200;
        },
        what);

    private void Write(X509Certificate2 authority, string user) => File.WriteAllText(Config, $$"""
        apiVersion: v1
        kind: Config
        current-context: c
        contexts: [{name: c, context: {cluster: c, user: u} }]
        clusters: [{name: c, cluster: {server: "{{_url}}", certificate-authority-data: {{Convert.ToBase64String(Encoding.ASCII.GetBytes(authority.ExportCertificatePem()))}} } }]
        users: [{name: u, user: { {{user}} } }]
        """);

    private void Give(string token)
    {
        var plugin = Path.Combine(_folder, "plugin");
        File.WriteAllText(plugin + ".new", $$"""
            #!/bin/sh
            echo asked >> {{_folder}}/calls
            echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"{{token}}"} }'
            """);
        File.SetUnixFileMode(plugin + ".new", (UnixFileMode)0b111_101_101);
        File.Move(plugin + ".new", plugin, overwrite: true);
    }

    private int Calls() => File.ReadAllLines(Path.Combine(_folder, "calls")).Length;
}
