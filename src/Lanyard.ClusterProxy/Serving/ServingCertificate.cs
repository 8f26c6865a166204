using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace Lanyard.ClusterProxy.Serving;

/// <summary>
/// The serving certificate from two PEM files, with what stands behind it in the file; renewed without a restart. What handshakes need of it is made once,
/// not for each of them: neither its time nor its memory is a connection's.
/// </summary>
internal sealed class ServingCertificate : IDisposable
{
    private readonly string _certificateFile;
    private readonly string _keyFile;
    private SslServerAuthenticationOptions _current;

    /// <exception cref="System.Security.Cryptography.CryptographicException">The files are no certificate and its key.</exception>
    public ServingCertificate(string certificateFile, string keyFile)
    {
        (_certificateFile, _keyFile) = (certificateFile, keyFile);
        _current = Load();
    }

    public SslServerAuthenticationOptions Get() => Volatile.Read(ref _current);

    /// <summary>Handshakes that run keep the old one. Throws, and changes nothing, when certificate and key don't fit yet.</summary>
    public void Reload() => Volatile.Write(ref _current, Load());

    public void Dispose() => _current.ServerCertificateContext!.TargetCertificate.Dispose();

    private SslServerAuthenticationOptions Load()
    {
        var certificate = X509Certificate2.CreateFromPemFile(_certificateFile, _keyFile);
        var all = new X509Certificate2Collection();
        all.ImportFromPemFile(_certificateFile);
        all.RemoveAt(0);

        // Offline: what clients need is in the file; nothing is fetched that a certificate names.
        return new() { ServerCertificateContext = SslStreamCertificateContext.Create(certificate, all, offline: true) };
    }
}
