using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Lanyard.ClusterProxy.Upstream;

namespace Lanyard.ClusterProxy.Cluster;

/// <summary>Makes the upstream's options of a connection: whom to believe and who we are.</summary>
internal static class ClusterTls
{
    public static UpstreamOptions OptionsOf(ClusterConnection connection) => new()
    {
        Addresses = connection.Addresses,
        Tls = connection.Addresses[0].Scheme == Uri.UriSchemeHttps ? Tls(connection) : null,
    };

    private static SslClientAuthenticationOptions Tls(ClusterConnection connection)
    {
        var tls = new SslClientAuthenticationOptions
        {
            TargetHost = connection.TlsServerName ?? connection.Addresses[0].IdnHost,
            ApplicationProtocols = [SslApplicationProtocol.Http11],
        };
        if (connection.SkipVerification)
        {
#pragma warning disable CA5359 // asked for by name in the operator's kubeconfig
            tls.RemoteCertificateValidationCallback = (_, _, _, _) => true;
#pragma warning restore CA5359
        }
        else if (connection.CertificateAuthority is { } pem)
        {
            var roots = new X509Certificate2Collection();
            roots.ImportFromPem(pem);
            if (roots.Count == 0)
            {
                throw new ArgumentException("the certificate authority of the cluster has no certificate in it");
            }

            tls.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            tls.CertificateChainPolicy.CustomTrustStore.AddRange(roots);
        }

        if (connection.ClientCertificate is { } client)
        {
            tls.ClientCertificateContext = SslStreamCertificateContext.Create(X509Certificate2.CreateFromPem(client.Certificate, client.Key), null, offline: true);
        }

        return tls;
    }
}
