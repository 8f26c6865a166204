using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Lanyard.Identity;

namespace Lanyard.Cli.Runner.Server;

/// <summary>HTTP clients of the runner: no redirects, bounded answers, and one more trusted root where the installation has its own.</summary>
internal static class RunnerHttp
{
    private const int MaxAnswerBytes = 8 * 1024 * 1024;

    /// <param name="caFile">PEM bundle to be trusted instead of the system's roots, or null.</param>
    public static Outcome<HttpClient> Create(Uri server, string? caFile)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            ConnectTimeout = TimeSpan.FromSeconds(10),
            PooledConnectionLifetime = TimeSpan.FromMinutes(5), // addresses change
            AutomaticDecompression = DecompressionMethods.None,
        };
        if (caFile is not null)
        {
            try
            {
                var roots = new X509Certificate2Collection();
                roots.ImportFromPemFile(caFile);
                handler.SslOptions = TrustOnly(roots);
            }
            catch (Exception exception) when (exception is CryptographicException or IOException or UnauthorizedAccessException)
            {
                handler.Dispose();
                return new Refusal(RefusalReason.RequestMalformed, $"--ca-file {caFile}: {exception.Message}");
            }
        }

        return new HttpClient(handler)
        {
            BaseAddress = new Uri(server.AbsoluteUri.TrimEnd('/') + "/"),
            Timeout = Timeout.InfiniteTimeSpan, // every call has its own
            MaxResponseContentBufferSize = MaxAnswerBytes,
        };
    }

    private static SslClientAuthenticationOptions TrustOnly(X509Certificate2Collection roots)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(roots);
        return new SslClientAuthenticationOptions { CertificateChainPolicy = policy };
    }
}
