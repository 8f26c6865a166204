using Lanyard.ClusterProxy.Audit;
using Lanyard.ClusterProxy.Hygiene;
using Lanyard.ClusterProxy.Impersonation;
using Lanyard.ClusterProxy.Serving;
using Lanyard.ClusterProxy.Telemetry;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.ClusterProxy.Tests;

/// <summary>Command lines that come from elsewhere: a kube-oidc-proxy's manifest, and our own deployments.</summary>
[Line("3.10")]
public sealed class MovedManifestTests
{
    [Fact]
    public void A_kube_oidc_proxys_arguments_are_taken_and_do_what_they_say()
    {
        var options = ClusterProxyOptions.Parse(
        [
            "--secure-port=8443", "--tls-cert-file=/etc/oidc/tls/crt.pem", "--tls-private-key-file=/etc/oidc/tls/key.pem", "--oidc-client-id=k8s", "--oidc-issuer-url=https://issuer.example",
            "--oidc-username-claim=email", "--oidc-username-prefix=-", "--oidc-groups-claim=groups", "--oidc-groups-prefix=g:", "--oidc-signing-algs=RS256,ES256", "--oidc-required-claim=hd=acme.example",
            "--token-passthrough", "--token-passthrough-audiences=aud1,aud2", "--extra-user-header-client-ip", "--extra-user-headers=example.org/a=1,example.org/a=2", "--readiness-probe-port=8080",
            "--flush-interval=50ms", "--audit-policy-file=/etc/audit.yaml", "--audit-log-path=/var/log/audit.log", "--audit-log-maxage=3", "--audit-webhook-config-file=/etc/webhook.conf",
        ]);

        Assert.Equal(("0.0.0.0:8443", "0.0.0.0:8080"), ($"{options.Listen}", $"{options.HealthListen}"));
        Assert.Equal(("email", ""), (options.Oidc!.Username!.Claim, options.Oidc.Username.Prefix));
        Assert.Equal(["aud1", "aud2"], options.PassthroughAudiences);
        Assert.Equal([new ExtraValue("example.org/a", "1"), new("example.org/a", "2")], options.Extras);
        Assert.True(options.TellClientAddress);
        Assert.Equal((TimeSpan.FromDays(3), "/etc/webhook.conf"), (options.Observation.AuditFile!.MaxAge, options.Observation.WebhookFile));
    }

    [Theory]
    [InlineData("--disable-impersonation")]
    [InlineData("--extra-user-headers=novalue")]
    [InlineData("--readiness-probe-port=http")]
    [InlineData("--audit-policy-file=x")]
    [InlineData("--audit-log-path=x")]
    [InlineData("--audit-webhook-batch-max-wait=soon")]
    [InlineData("--max-requests-inflight=-1")]
    [InlineData("--max-user-burst=0")]
    [InlineData("--token-passthrough-audiences=x")]
    [InlineData("--api-server-address=nowhere")]
    public void What_can_not_be_meant_is_a_mistake_and_never_passed_over(string argument) => Assert.Throws<Configuration.ConfigurationException>(() => ClusterProxyOptions.Parse(
        ["--plain-http", "--listen=127.0.0.1:0", "--oidc-issuer-url=https://issuer.example", "--oidc-client-id=k8s", argument]));

    [Fact]
    public void The_deployments_and_the_systemd_units_own_arguments_are_understood()
    {
        var deployment = File.ReadAllLines(Repo.At("deploy", "kubernetes", "cluster-proxy", "base", "deployment.yaml")).Select(l => l.Trim()).Where(l => l.StartsWith("- --", StringComparison.Ordinal)).Select(l => l[2..]).ToList();
        var unit = File.ReadAllLines(Repo.At("deploy", "systemd", "lanyard-cluster-proxy.service")).Single(l => l.StartsWith("ExecStart=", StringComparison.Ordinal)).Split(' ')[2..];

        Assert.Equal(5, deployment.Count);
        Assert.Equal("0.0.0.0:8443", ClusterProxyOptions.Parse(deployment).Listen.ToString());
        Assert.Equal("/var/log/lanyard/cluster-proxy-audit.log", ClusterProxyOptions.Parse(unit).Observation.AuditFile!.Path);
    }

    /// <summary>Kubernetes and systemd kill what has not ended by then: requests that run, and audit lines that were taken.</summary>
    [Theory]
    [Line("3.8")]
    [InlineData("terminationGracePeriodSeconds: ", "kubernetes", "cluster-proxy", "base", "deployment.yaml")]
    [InlineData("terminationGracePeriodSeconds: ", "helm", "lanyard-cluster-proxy", "templates", "deployment.yaml")]
    [InlineData("TimeoutStopSec=", "systemd", "lanyard-cluster-proxy.service")]
    public void Every_deployment_gives_a_stop_the_time_that_it_may_take_and_five_seconds_more(string setting, params string[] file)
    {
        var requests = new ServingOptions { Listen = new(System.Net.IPAddress.Loopback, 0) }.DrainTimeout;
        var audit = new LineQueueOptions("", 1, TimeSpan.Zero, 1, DropsWhenFull: false).DrainTime;
        var line = File.ReadAllLines(Repo.At(["deploy", .. file])).Single(l => l.TrimStart().StartsWith(setting, StringComparison.Ordinal));

        Assert.Equal(requests + audit + OpenTelemetryExport.StopTime + TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(int.Parse(line.Trim()[setting.Length..], System.Globalization.CultureInfo.InvariantCulture)));
    }

    [Fact]
    public async Task The_clients_address_goes_along_as_an_extra_and_only_trusted_proxies_are_believed()
    {
        await using var upstream = RawUpstream.Answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        foreach (var (trusted, expected) in new[] { (TrustedProxies.None, "127.0.0.1"), (new TrustedProxies([System.Net.IPNetwork.Parse("127.0.0.0/8"), System.Net.IPNetwork.Parse("10.0.0.0/8")]), "203.0.113.9") })
        {
            await using var proxy = await ProxyDriver.StartAsync(upstream.Address, trusted: trusted, tellClientAddress: true);
            await proxy.SendAsync($"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 1.1.1.1, 203.0.113.9, 10.1.1.1\r\n{ProxyDriver.Bearer}\r\n");

            Assert.True(upstream.Heads.TryDequeue(out var head));
            Assert.Equal([expected], head.Values("Impersonate-Extra-Remote-Client-Ip"));
        }
    }
}
