using System.Security.Cryptography.X509Certificates;

namespace Lanyard.ClusterProxy.Serving;

/// <summary>The serving certificate from two PEM files, with what stands behind it in the file; renewed without a restart.</summary>
internal sealed class ServingCertificate : IDisposable
{
    private readonly string _certificateFile;
    private readonly string _keyFile;
    private X509Certificate2 _current;

    /// <exception cref="System.Security.Cryptography.CryptographicException">The files are no certificate and its key.</exception>
    public ServingCertificate(string certificateFile, string keyFile)
    {
        (_certificateFile, _keyFile) = (certificateFile, keyFile);
        _current = Load();
    }

    public X509Certificate2 Get() => Volatile.Read(ref _current);

    /// <summary>Handshakes that run keep the old one. Throws, and changes nothing, when certificate and key don't fit yet.</summary>
    public void Reload() => Volatile.Write(ref _current, Load());

    public void Dispose() => _current.Dispose();

    private X509Certificate2 Load() => X509Certificate2.CreateFromPemFile(_certificateFile, _keyFile);
}
