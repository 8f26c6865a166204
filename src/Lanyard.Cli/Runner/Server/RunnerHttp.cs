using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Server;

/// <summary>HTTP clients of the runner: no redirects, bounded answers, and one more trusted root where the installation has its own.</summary>
internal static class RunnerHttp
{
    private const int MaxAnswerBytes = 8 * 1024 * 1024;

    /// <param name="authorities">PEM bundle to be trusted instead of the system's roots, or null.</param>
    /// <param name="workspace">As whose runner or pod every call is made; null: that is not said.</param>
    public static Outcome<HttpClient> Create(Uri server, string? authorities, string? workspace = null)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            ConnectTimeout = TimeSpan.FromSeconds(10),
            PooledConnectionLifetime = TimeSpan.FromMinutes(5), // addresses change
            AutomaticDecompression = DecompressionMethods.None,
        };
        if (authorities is not null)
        {
            try
            {
                var roots = new X509Certificate2Collection();
                roots.ImportFromPem(authorities);
                handler.SslOptions = TrustOnly(roots);
            }
            catch (CryptographicException exception)
            {
                handler.Dispose();
                return new Refusal(RefusalReason.RequestMalformed, $"the certificate authorities: {exception.Message}");
            }
        }

        var client = new HttpClient(handler)
        {
            BaseAddress = new Uri(server.AbsoluteUri.TrimEnd('/') + "/"),
            Timeout = Timeout.InfiniteTimeSpan, // every call has its own
            MaxResponseContentBufferSize = MaxAnswerBytes,
        };
        if (workspace is not null)
        {
            client.DefaultRequestHeaders.Add(RunnerHeaders.Workspace, workspace);
        }

        return client;
    }

    private static SslClientAuthenticationOptions TrustOnly(X509Certificate2Collection roots)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(roots);
        return new SslClientAuthenticationOptions { CertificateChainPolicy = policy };
    }
}
