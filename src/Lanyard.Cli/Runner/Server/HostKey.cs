using System.Text;
using Lanyard.Identity;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;

namespace Lanyard.Cli.Runner.Server;

/// <summary>
/// The key of a host that has no platform identity: made here at the first start, never sent anywhere, approved once by its fingerprint
/// (RFC 7638 thumbprint). It signs short assertions (RFC 7523) and nothing else.
/// </summary>
internal sealed class HostKey(SigningKey key, TimeProvider time) : IDisposable
{
    private const UnixFileMode OthersMayRead = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
    private const int MaxFileBytes = 16 * 1024;

    /// <summary>The longest that the server takes.</summary>
    private static readonly TimeSpan AssertionLife = TimeSpan.FromSeconds(60);

    public string Fingerprint => key.KeyId;

    public string ClientId => "key_" + key.KeyId;

    public VerificationKey Public => key.Public;

    /// <summary>Reads the key, or makes it where there is no file: an ES256 key, PKCS#8 PEM, mode 0600.</summary>
    public static Outcome<HostKey> Open(string path, TimeProvider time)
    {
        try
        {
            if (!File.Exists(path))
            {
                Create(path);
            }

            if ((File.GetUnixFileMode(path) & OthersMayRead) != 0 || new FileInfo(path).Length > MaxFileBytes)
            {
                return new Refusal(RefusalReason.RequestMalformed, $"the key file {path} must have mode 0600: others can read it, or it is too large");
            }

            return SigningKey.FromPem(File.ReadAllText(path)).TryGet(out var key, out var refusal)
                ? new HostKey(key, time)
                : refusal with { Detail = $"the key file {path}: {refusal.Detail}" };
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return new Refusal(RefusalReason.RequestMalformed, $"the key file {path}: {exception.Message}");
        }
    }

    /// <summary>A fresh assertion for the instance's issuer; good for one call.</summary>
    public string Assert(string audience)
    {
        var now = time.GetUtcNow();
        return TokenMint.Mint(key, TokenMint.JwtType, new TokenClaims
        {
            Issuer = ClientId,
            Subject = ClientId,
            Audiences = [audience],
            IssuedAt = now,
            ExpiresAt = now + AssertionLife,
            TokenId = Guid.NewGuid().ToString("n"),
        });
    }

    public void Dispose() => key.Dispose();

    /// <summary>Written beside and linked into place, so that a start that is cut off leaves no half key, and two starts make one.</summary>
    private static void Create(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        using var made = SigningKey.Generate(SignatureAlgorithm.ES256);
        var temporary = $"{path}.{Guid.NewGuid():n}";
        PrivateFiles.Write(temporary, Encoding.ASCII.GetBytes(made.ExportPem()), owner: null);
        try
        {
            File.Move(temporary, path, overwrite: false);
        }
        catch (IOException) when (File.Exists(path))
        {
            File.Delete(temporary);
        }
    }
}
