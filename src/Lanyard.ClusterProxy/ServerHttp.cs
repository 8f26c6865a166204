using System.Security.Cryptography.X509Certificates;

namespace Lanyard.ClusterProxy;

/// <summary>HTTP to a Lanyard server: no redirects, no proxy of the environment, bounded in time and size.</summary>
internal static class ServerHttp
{
    private const int MaxAnswer = 1024 * 1024;

    /// <param name="caFile">The only roots, PEM; null for the system's.</param>
    public static HttpClient Create(string? caFile, TimeSpan patience)
    {
        var handler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = false, ConnectTimeout = patience, PooledConnectionLifetime = TimeSpan.FromMinutes(5) };
        if (caFile is not null)
        {
            var roots = new X509Certificate2Collection();
            roots.ImportFromPemFile(caFile);
            handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            handler.SslOptions.CertificateChainPolicy.CustomTrustStore.AddRange(roots);
        }

        return new HttpClient(handler) { Timeout = patience, MaxResponseContentBufferSize = MaxAnswer };
    }
}
