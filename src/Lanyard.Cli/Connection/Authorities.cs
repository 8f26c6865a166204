using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Lanyard.Cli.Connection;

/// <summary>
/// Who may vouch for a server, PEM. In a file that somebody renews, as the kubelet does with its cluster's and with those of a ConfigMap, they are read anew for each connection, so that
/// a process that lives for months goes with a rotation. While the file can't be read, or is half written, those of before are trusted.
/// </summary>
internal sealed class Authorities
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private readonly Func<Trusted> _read;
    private Trusted _trusted;

    private Authorities(Func<Trusted> read) => (_read, _trusted) = (read, read());

    /// <summary>As they are now.</summary>
    public string Pem => Read().Pem;

    /// <exception cref="CommandStopped">There are none in it.</exception>
    public static Authorities InFile(string file) => new(() =>
    {
        try
        {
            return Trusted.Parse($"--ca-file {file}", File.ReadAllText(file));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CommandStopped(ExitCode.Usage, $"--ca-file {file}: {exception.Message}");
        }
    });

    /// <param name="where">It stands, for who must put it right.</param>
    /// <exception cref="CommandStopped">There are none in it.</exception>
    public static Authorities OfText(string where, string pem)
    {
        var trusted = Trusted.Parse(where, pem);
        return new(() => trusted);
    }

    /// <summary>Only chains that end in one of them are accepted; host name and life are checked as ever.</summary>
    public void Guard(SslClientAuthenticationOptions tls)
    {
        Transport.Trust(tls, _trusted.Roots);
        tls.RemoteCertificateValidationCallback = (_, certificate, chain, errors) => IsRightHost(errors) && certificate is X509Certificate2 leaf && IsTrusted(leaf, chain);
    }

    /// <summary>For servers of others, which the system's roots vouch for: one of these may do so too.</summary>
    public void GuardBesideSystem(SslClientAuthenticationOptions tls) =>
        tls.RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
            errors == SslPolicyErrors.None || (IsRightHost(errors) && certificate is X509Certificate2 leaf && IsTrusted(leaf, chain));

    private static bool IsRightHost(SslPolicyErrors errors) => (errors & ~SslPolicyErrors.RemoteCertificateChainErrors) == 0;

    private bool IsTrusted(X509Certificate2 leaf, X509Chain? sent)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(ServerAuthentication));
        chain.ChainPolicy.CustomTrustStore.AddRange(Read().Roots);
        if (sent is not null)
        {
            chain.ChainPolicy.ExtraStore.AddRange(sent.ChainPolicy.ExtraStore); // what the server has sent
        }

        return chain.Build(leaf);
    }

    private Trusted Read()
    {
        try
        {
            return _trusted = _read();
        }
        catch (CommandStopped)
        {
            return _trusted; // the file is just being replaced, or gone: what was trusted still is
        }
    }

    private sealed record Trusted(string Pem, X509Certificate2Collection Roots)
    {
        public static Trusted Parse(string where, string pem)
        {
            var roots = new X509Certificate2Collection();
            try
            {
                roots.ImportFromPem(pem);
            }
            catch (CryptographicException exception)
            {
                throw new CommandStopped(ExitCode.Usage, $"{where}: {exception.Message}");
            }

            return roots.Count > 0 ? new Trusted(pem, roots) : throw new CommandStopped(ExitCode.Usage, $"{where} has no certificate in it.");
        }
    }
}
