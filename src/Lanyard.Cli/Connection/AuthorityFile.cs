using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Lanyard.Cli.Connection;

/// <summary>
/// Authorities in a file that somebody renews, as the kubelet does with its cluster's: read anew for each connection, so that a process that lives for
/// months goes with a rotation. While the file can't be read, or is half written, those of before are trusted.
/// </summary>
/// <exception cref="CommandStopped">There are none in it.</exception>
internal sealed class AuthorityFile(string file)
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private X509Certificate2Collection _roots = Transport.ReadCertificates(file);

    /// <summary>Only chains that end in one of them are accepted; host name and life are checked as ever.</summary>
    public void Guard(SslClientAuthenticationOptions tls)
    {
        Transport.Trust(tls, _roots);
        tls.RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
            (errors & ~SslPolicyErrors.RemoteCertificateChainErrors) == 0 && certificate is X509Certificate2 leaf && IsTrusted(leaf, chain);
    }

    private bool IsTrusted(X509Certificate2 leaf, X509Chain? sent)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(ServerAuthentication));
        chain.ChainPolicy.CustomTrustStore.AddRange(Read());
        if (sent is not null)
        {
            chain.ChainPolicy.ExtraStore.AddRange(sent.ChainPolicy.ExtraStore); // what the server has sent
        }

        return chain.Build(leaf);
    }

    private X509Certificate2Collection Read()
    {
        try
        {
            _roots = Transport.ReadCertificates(file);
        }
        catch (CommandStopped)
        {
            // It is just being replaced, or gone: what was trusted still is.
        }

        return _roots;
    }
}
