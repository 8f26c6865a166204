using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Lanyard.Protocol.Tls;

/// <summary>What a door shows of itself, from two PEM files: the first certificate of one, its key from the other, and the certificates that stand behind the first.</summary>
public static class PemPair
{
    /// <summary>Made once and shown to all clients: what handshakes need of it is neither a connection's time nor its memory.</summary>
    /// <exception cref="CryptographicException">The files are no certificate and its key.</exception>
    public static SslStreamCertificateContext Load(string certificateFile, string keyFile)
    {
        var certificate = X509Certificate2.CreateFromPemFile(certificateFile, keyFile);
        var behind = new X509Certificate2Collection();
        behind.ImportFromPemFile(certificateFile);
        behind.RemoveAt(0);

        // Offline: what clients need is in the file; nothing is fetched that a certificate names.
        return SslStreamCertificateContext.Create(certificate, behind, offline: true);
    }
}
