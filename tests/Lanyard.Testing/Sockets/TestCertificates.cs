using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Lanyard.Testing.Sockets;

/// <summary>Self-signed P-256 certificates for 127.0.0.1, localhost and further addresses, valid for a day.</summary>
public static class TestCertificates
{
    public static X509Certificate2 Create(string name = "localhost", params ReadOnlySpan<IPAddress> addresses)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var now = TimeProvider.System.GetUtcNow();
        return Request(key, name, addresses).CreateSelfSigned(now.AddHours(-1), now.AddDays(1));
    }

    /// <summary>As <see cref="Create"/>, signed by another.</summary>
    public static X509Certificate2 CreateIssuedBy(X509Certificate2 issuer, string name = "localhost")
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var issued = Request(key, name, []).Create(issuer, issuer.NotBefore, issuer.NotAfter, RandomNumberGenerator.GetBytes(8));
        return issued.CopyWithPrivateKey(key);
    }

    private static CertificateRequest Request(ECDsa key, string name, ReadOnlySpan<IPAddress> addresses)
    {
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        names.AddIpAddress(IPAddress.Loopback);
        foreach (var address in addresses)
        {
            names.AddIpAddress(address);
        }

        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request;
    }
}
