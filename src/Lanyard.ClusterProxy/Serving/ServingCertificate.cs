using System.Net.Security;
using Lanyard.Protocol.Tls;

namespace Lanyard.ClusterProxy.Serving;

/// <summary>The serving certificate from two PEM files, with what stands behind it in the file; renewed without a restart.</summary>
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

    private SslServerAuthenticationOptions Load() => new() { ServerCertificateContext = PemPair.Load(_certificateFile, _keyFile) };
}
