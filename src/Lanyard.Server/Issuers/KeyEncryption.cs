using System.Security.Cryptography;
using System.Text;

namespace Lanyard.Server.Issuers;

/// <summary>
/// Encrypts private keys at rest with a key that lies outside the database (AES-256-GCM). The row's owner and <c>kid</c> are authenticated
/// with it, so that a ciphertext moved to another row does not open.
/// </summary>
internal sealed class KeyEncryption
{
    private const int KeyBytes = 32;
    private const int NonceBytes = 12;
    private const int TagBytes = 16;
    private readonly byte[] _key;

    private KeyEncryption(byte[] key) => _key = key;

    /// <summary>Reads the key file, or makes it (0600) at the first start.</summary>
    /// <exception cref="InvalidOperationException">The file has another size, or other users may read it.</exception>
    public static KeyEncryption FromFile(string path)
    {
        if (!File.Exists(path)) Create(path);
        if (!OperatingSystem.IsWindows())
        {
            var open = File.GetUnixFileMode(path) & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite);
            if (open != 0) throw new InvalidOperationException($"{path}: others may open the key file (mode has {open}); make it 0600");
        }

        var key = File.ReadAllBytes(path);
        return key.Length == KeyBytes ? new KeyEncryption(key) : throw new InvalidOperationException($"{path}: a key file has {KeyBytes} bytes, this one {key.Length}");
    }

    /// <summary>
    /// Another secret of the installation, for a purpose of its own (RFC 5869): the same on every replica with the key file, and no way back to the key.
    /// </summary>
    public byte[] DeriveSecret(string purpose) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, _key, KeyBytes, info: Encoding.UTF8.GetBytes($"lanyard secret: {purpose}"));

    public byte[] Encrypt(ReadOnlySpan<byte> plain, string owner, string kid)
    {
        var box = new byte[NonceBytes + TagBytes + plain.Length];
        RandomNumberGenerator.Fill(box.AsSpan(0, NonceBytes));
        using var aes = new AesGcm(_key, TagBytes);
        aes.Encrypt(box.AsSpan(0, NonceBytes), plain, box.AsSpan(NonceBytes + TagBytes), box.AsSpan(NonceBytes, TagBytes), Bound(owner, kid));
        return box;
    }

    /// <exception cref="CryptographicException">Another key file, another row, or changed bytes.</exception>
    public byte[] Decrypt(ReadOnlySpan<byte> box, string owner, string kid)
    {
        if (box.Length < NonceBytes + TagBytes) throw new CryptographicException("an encrypted key is too short");
        var plain = new byte[box.Length - NonceBytes - TagBytes];
        using var aes = new AesGcm(_key, TagBytes);
        aes.Decrypt(box[..NonceBytes], box[(NonceBytes + TagBytes)..], box.Slice(NonceBytes, TagBytes), plain, Bound(owner, kid));
        return plain;
    }

    private static byte[] Bound(string owner, string kid) => Encoding.UTF8.GetBytes($"{owner}\n{kid}");

    private static void Create(string path)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using var file = new FileStream(path, options);
        file.Write(RandomNumberGenerator.GetBytes(KeyBytes));
        file.Flush(flushToDisk: true);
    }
}
