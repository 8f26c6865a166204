using System.Security.Cryptography;

namespace Lanyard.Bench.Federation;

/// <summary>What an exchange can't do without, with ready keys and hashes: a subject token's signature verified, and an ES256 signature made.</summary>
internal sealed class BareCrypto : IDisposable
{
    private readonly RSA _rsa = RSA.Create(2048);
    private readonly ECDsa _subject = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly ECDsa _own = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly byte[] _hash = RandomNumberGenerator.GetBytes(32);
    private readonly byte[] _signature = new byte[64];
    private readonly byte[] _ofRsa;
    private readonly byte[] _ofSubject;

    public BareCrypto() => (_ofRsa, _ofSubject) = (_rsa.SignHash(_hash, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1), _subject.SignHash(_hash));

    public void Es256() => Both(_subject.VerifyHash(_hash, _ofSubject));

    public void Rs256() => Both(_rsa.VerifyHash(_hash, _ofRsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));

    public void Dispose()
    {
        _rsa.Dispose();
        _subject.Dispose();
        _own.Dispose();
    }

    private void Both(bool isGood)
    {
        if (!isGood || _own.SignHash(_hash, _signature) != _signature.Length)
            throw new InvalidOperationException("a good signature was refused");
    }
}
