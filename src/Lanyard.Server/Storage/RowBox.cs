using System.Security.Cryptography;
using System.Text;

namespace Lanyard.Server.Storage;

/// <summary>
/// Encrypts what lies in a row with a key that lies outside the database (AES-256-GCM: nonce, tag, ciphertext). The row's name is authenticated with it, so that
/// a box moved to another row does not open.
/// </summary>
/// <param name="key">32 bytes, the same on every replica.</param>
internal sealed class RowBox(byte[] key)
{
    private const int NonceBytes = 12;
    private const int TagBytes = 16;

    public byte[] Close(ReadOnlySpan<byte> plain, string row)
    {
        var box = new byte[NonceBytes + TagBytes + plain.Length];
        RandomNumberGenerator.Fill(box.AsSpan(0, NonceBytes));
        using var aes = new AesGcm(key, TagBytes);
        aes.Encrypt(box.AsSpan(0, NonceBytes), plain, box.AsSpan(NonceBytes + TagBytes), box.AsSpan(NonceBytes, TagBytes), Encoding.UTF8.GetBytes(row));
        return box;
    }

    /// <exception cref="CryptographicException">Another key, another row, or changed bytes.</exception>
    public byte[] Open(ReadOnlySpan<byte> box, string row)
    {
        if (box.Length < NonceBytes + TagBytes) throw new CryptographicException("what was encrypted is longer");
        var plain = new byte[box.Length - NonceBytes - TagBytes];
        using var aes = new AesGcm(key, TagBytes);
        aes.Decrypt(box[..NonceBytes], box[(NonceBytes + TagBytes)..], box.Slice(NonceBytes, TagBytes), plain, Encoding.UTF8.GetBytes(row));
        return plain;
    }
}
