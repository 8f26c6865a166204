using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace Lanyard.Cli.Connection;

/// <summary>HTTP as the CLI wants it: no redirects (a token must not follow one), TLS by the system's roots or by a file's.</summary>
internal static class Transport
{
    /// <param name="caFile">Of the authorities to be trusted instead of the system's; read anew for each connection.</param>
    public static HttpClient Create(string? caFile, Action<SslClientAuthenticationOptions>? moreTls = null)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            ConnectTimeout = TimeSpan.FromSeconds(10),
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        };
        if (caFile is not null)
        {
            Authorities.InFile(caFile).Guard(handler.SslOptions);
        }

        moreTls?.Invoke(handler.SslOptions);
        return new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan, MaxResponseContentBufferSize = 64 * 1024 * 1024 };
    }

    /// <summary>Only chains that end in one of these certificates are accepted; host name and life are checked as ever.</summary>
    public static void Trust(SslClientAuthenticationOptions tls, X509Certificate2Collection roots)
    {
        tls.CertificateChainPolicy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
        };
        tls.CertificateChainPolicy.CustomTrustStore.AddRange(roots);
    }
}
