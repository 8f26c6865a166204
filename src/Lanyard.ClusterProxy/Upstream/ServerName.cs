using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace Lanyard.ClusterProxy.Upstream;

/// <summary>
/// What is sent as the server's name (SNI, RFC 6066 §3) to an API server that is known by an address. .NET shares a TLS context, which is some 12 KiB, among
/// connections to one name and makes one for each connection to an address. So an address's second connection asks for a name that the certificate of the first
/// one bears beside the address. The certificate must still be good for the address, and where asking by the name leads elsewhere, it is not asked for again.
/// </summary>
internal sealed class ServerName(SslClientAuthenticationOptions asked)
{
    private const int MostFailures = 3;
    private readonly bool _isAddress = IPAddress.TryParse(asked.TargetHost, out _);
    private SslClientAuthenticationOptions? _byName;
    private int _failures;

    /// <summary>For the next connection.</summary>
    public SslClientAuthenticationOptions Options => Volatile.Read(ref _byName) ?? asked;

    /// <summary>After a handshake with <see cref="Options"/> as they were given: the certificate was good.</summary>
    public void Learn(SslStream stream)
    {
        if (_isAddress && Volatile.Read(ref _byName) is null && Volatile.Read(ref _failures) < MostFailures && NameIn(stream.RemoteCertificate) is { } name)
        {
            Volatile.Write(ref _byName, For(name));
        }
    }

    /// <summary>A handshake failed.</summary>
    /// <param name="used">The options that it was made with.</param>
    /// <returns>Whether it is worth another one, without the name.</returns>
    public bool Unlearn(SslClientAuthenticationOptions used)
    {
        if (ReferenceEquals(used, asked))
        {
            return false;
        }

        Interlocked.Increment(ref _failures);
        Volatile.Write(ref _byName, null);
        return true;
    }

    private SslClientAuthenticationOptions For(string name) => new()
    {
        TargetHost = name,
        ApplicationProtocols = asked.ApplicationProtocols,
        CertificateChainPolicy = asked.CertificateChainPolicy,
        ClientCertificateContext = asked.ClientCertificateContext,
        RemoteCertificateValidationCallback = asked.RemoteCertificateValidationCallback ?? IsGoodForAddress,
    };

    private bool IsGoodForAddress(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors) =>
        errors == SslPolicyErrors.None && certificate is X509Certificate2 presented && presented.MatchesHostname(asked.TargetHost!);

    /// <summary>The longest is the most particular: an API server's own are <c>kubernetes</c> to <c>kubernetes.default.svc.cluster.local</c>.</summary>
    private static string? NameIn(X509Certificate? certificate) => (certificate as X509Certificate2)?.Extensions.OfType<X509SubjectAlternativeNameExtension>()
        .SelectMany(static names => names.EnumerateDnsNames())
        .Where(static name => !name.Contains('*', StringComparison.Ordinal) && Uri.CheckHostName(name) == UriHostNameType.Dns)
        .MaxBy(static name => name.Length);
}
