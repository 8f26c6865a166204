using Lanyard.Identity.Jose;

namespace Lanyard.Cli.Connection;

/// <summary>The admin's private key: ES256, PKCS#8 PEM, readable by its owner alone.</summary>
internal static class AdminKeyFile
{
    private const UnixFileMode Others =
        UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    public static SigningKey Read(string path)
    {
        try
        {
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & Others) != 0)
            {
                throw new CommandStopped(ExitCode.NotAuthenticated, $"{path} can be read or changed by others: chmod 600 it, and replace the key if they may have.");
            }

            var key = SigningKey.FromPem(File.ReadAllText(path));
            if (key.TryGet(out var signing, out var refusal) && signing.Algorithm == SignatureAlgorithm.ES256)
            {
                return signing;
            }

            throw new CommandStopped(ExitCode.NotAuthenticated, $"{path} is no admin key: {refusal?.Detail ?? "an EC key on P-256 is wanted"}");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CommandStopped(ExitCode.NotAuthenticated, $"the admin key can't be read: {exception.Message}");
        }
    }
}
