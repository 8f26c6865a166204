using System.Net.Security;
using System.Security.Cryptography;
using Lanyard.Protocol.Tls;

namespace Lanyard.Server.Http;

/// <summary>
/// The server's certificate from two PEM files, with what stands behind it in the file; read again when either changes (looked at no more than once a second, on a new connection).
/// A pair that can't be read or does not match keeps the old one in service: a renewal writes two files, and between them they don't fit.
/// </summary>
internal sealed class ServerCertificate : IDisposable
{
    private readonly string _certificateFile;
    private readonly string _keyFile;
    private readonly TimeProvider _time;
    private readonly Action<Exception> _onBadPair;
    private readonly Lock _gate = new();
    private SslStreamCertificateContext _current;
    private (DateTime Certificate, DateTime Key) _stamp;
    private long _lookedAt;

    /// <exception cref="InvalidOperationException">At the start there is no pair to fall back to: a bad one stops it.</exception>
    public ServerCertificate(string certificateFile, string keyFile, TimeProvider time, Action<Exception> onBadPair)
    {
        (_certificateFile, _keyFile, _time, _onBadPair) = (certificateFile, keyFile, time, onBadPair);
        try
        {
            _stamp = Stamp();
            _current = Load();
        }
        catch (Exception e) when (e is IOException or CryptographicException or UnauthorizedAccessException or ArgumentException)
        {
            throw new InvalidOperationException($"--tls-cert-file {certificateFile}, --tls-private-key-file {keyFile}: {e.Message}", e);
        }

        _lookedAt = time.GetTimestamp();
    }

    public SslStreamCertificateContext Current
    {
        get
        {
            lock (_gate)
            {
                if (_time.GetElapsedTime(_lookedAt) < TimeSpan.FromSeconds(1)) return _current;
                _lookedAt = _time.GetTimestamp();
                TryReload_NeedsLock();
                return _current;
            }
        }
    }

    public void Dispose() => _current.TargetCertificate.Dispose();

    private void TryReload_NeedsLock()
    {
        try
        {
            var stamp = Stamp();
            if (stamp == _stamp) return;
            // The old one is not disposed: handshakes under way still use it.
            _current = Load();
            _stamp = stamp;
        }
        catch (Exception e) when (e is IOException or CryptographicException or UnauthorizedAccessException or ArgumentException)
        {
            _onBadPair(e);
        }
    }

    private SslStreamCertificateContext Load() => PemPair.Load(_certificateFile, _keyFile);

    private (DateTime, DateTime) Stamp() => (File.GetLastWriteTimeUtc(_certificateFile), File.GetLastWriteTimeUtc(_keyFile));
}
