using System.Net;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Lanyard.ClusterProxy.Upstream;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Upstream;

/// <summary>What an API server that is known by an address is called in the handshake, and whose certificate is taken then.</summary>
[Line("3.3")]
public sealed class ServerNameTests : IDisposable
{
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    private const string Elsewhere = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nelsewhere";
    private readonly X509Certificate2 _authority = TestCertificates.Create();

    public void Dispose() => _authority.Dispose();

    [Fact]
    public async Task The_first_connection_to_an_address_names_nobody_and_the_others_a_name_of_its_certificate()
    {
        using var certificate = TestCertificates.CreateIssuedBy(_authority, "kubernetes.default.svc");
        await using var upstream = RawUpstream.Answering(Ok, certificate);
        using var driver = Driver(upstream);

        for (var i = 0; i < 3; i++)
            Assert.Equal("ok", (await driver.SendAsync(UpstreamDriver.Get())).Body);

        Assert.Equal(["", "kubernetes.default.svc", "kubernetes.default.svc"], upstream.ServerNames.Select(static name => name ?? ""));
    }

    [Fact]
    public async Task A_certificate_that_is_good_for_the_name_and_not_for_the_address_is_not_taken()
    {
        using var certificate = TestCertificates.CreateIssuedBy(_authority, "kubernetes.default.svc");
        using var other = IssuedForNameOnly("kubernetes.default.svc");
        await using var upstream = RawUpstream.Answering(Ok, certificate);
        upstream.CertificateFor = name => string.IsNullOrEmpty(name) ? null : other;
        using var driver = Driver(upstream);

        for (var i = 0; i < 8; i++)
            Assert.Equal("ok", (await driver.SendAsync(UpstreamDriver.Get())).Body);

        // After each good connection without it the name is tried once more, three times in all.
        Assert.Equal(3, upstream.ServerNames.Count(static name => !string.IsNullOrEmpty(name)));
        Assert.Equal(8, upstream.Heads.Count);
    }

    [Fact]
    public async Task A_certificate_without_a_name_or_with_a_wildcard_only_is_asked_for_by_its_address()
    {
        using var certificate = TestCertificates.CreateIssuedBy(_authority, "*.example.org");
        await using var upstream = RawUpstream.Answering(Ok, certificate);
        using var driver = Driver(upstream);

        for (var i = 0; i < 2; i++)
            Assert.Equal("ok", (await driver.SendAsync(UpstreamDriver.Get())).Body);

        Assert.All(upstream.ServerNames, static name => Assert.True(string.IsNullOrEmpty(name)));
    }

    [Fact]
    public async Task An_address_that_the_certificate_does_not_bear_is_refused_whatever_names_it_has()
    {
        using var certificate = IssuedForNameOnly("kubernetes.default.svc");
        await using var upstream = RawUpstream.Answering(Elsewhere, certificate);
        using var driver = Driver(upstream);

        for (var i = 0; i < 2; i++)
        {
            var thrown = await Assert.ThrowsAsync<UpstreamException>(() => driver.SendAsync(UpstreamDriver.Get()));
            Assert.IsType<AuthenticationException>(thrown.InnerException);
        }

        Assert.Empty(upstream.Heads);
    }

    private UpstreamDriver Driver(RawUpstream upstream)
    {
        var trust = UpstreamDriver.Trust(_authority);
        trust.TargetHost = IPAddress.Loopback.ToString();
        return new UpstreamDriver(new UpstreamOptions { Addresses = [upstream.Address], Tls = trust });
    }

    private X509Certificate2 IssuedForNameOnly(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        using var issued = request.Create(_authority, _authority.NotBefore, _authority.NotAfter, RandomNumberGenerator.GetBytes(8));
        return issued.CopyWithPrivateKey(key);
    }
}
