using System.Security.Cryptography;
using System.Text;

namespace Lanyard.Server.Federation;

/// <summary>Encrypts a token for the seconds that it waits in the database for its review (AES-256-GCM); bound to the review's id.</summary>
/// <param name="key">32 bytes, the same on every replica.</param>
internal sealed class ReviewSeal(byte[] key)
{
    private const int NonceBytes = 12;
    private const int TagBytes = 16;

    public string Close(string token, string id)
    {
        var plain = Encoding.ASCII.GetBytes(token);
        var box = new byte[NonceBytes + TagBytes + plain.Length];
        RandomNumberGenerator.Fill(box.AsSpan(0, NonceBytes));
        using var aes = new AesGcm(key, TagBytes);
        aes.Encrypt(box.AsSpan(0, NonceBytes), plain, box.AsSpan(NonceBytes + TagBytes), box.AsSpan(NonceBytes, TagBytes), Encoding.ASCII.GetBytes(id));
        return Convert.ToBase64String(box);
    }

    /// <exception cref="CryptographicException">Another key file, another row, or changed bytes.</exception>
    public string Open(string sealedToken, string id)
    {
        var box = Convert.FromBase64String(sealedToken);
        var plain = new byte[box.Length - NonceBytes - TagBytes];
        using var aes = new AesGcm(key, TagBytes);
        aes.Decrypt(box.AsSpan(0, NonceBytes), box.AsSpan(NonceBytes + TagBytes), box.AsSpan(NonceBytes, TagBytes), plain, Encoding.ASCII.GetBytes(id));
        return Encoding.ASCII.GetString(plain);
    }
}
