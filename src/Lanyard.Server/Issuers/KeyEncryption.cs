using System.Security.Cryptography;
using System.Text;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Issuers;

/// <summary>
/// Encrypts private keys, plans and states at rest with a key that lies outside the database; the row's owner and <c>kid</c> are bound to it (<see cref="RowBox"/>).
/// </summary>
internal sealed class KeyEncryption
{
    private const int KeyBytes = 32;
    private readonly byte[] _key;
    private readonly RowBox _box;

    private KeyEncryption(byte[] key) => (_key, _box) = (key, new RowBox(key));

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

    public byte[] Encrypt(ReadOnlySpan<byte> plain, string owner, string kid) => _box.Close(plain, Row(owner, kid));

    /// <exception cref="CryptographicException">Another key file, another row, or changed bytes.</exception>
    public byte[] Decrypt(ReadOnlySpan<byte> box, string owner, string kid) => _box.Open(box, Row(owner, kid));

    private static string Row(string owner, string kid) => $"{owner}\n{kid}";

    private static void Create(string path)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using var file = new FileStream(path, options);
        file.Write(RandomNumberGenerator.GetBytes(KeyBytes));
        file.Flush(flushToDisk: true);
    }
}
