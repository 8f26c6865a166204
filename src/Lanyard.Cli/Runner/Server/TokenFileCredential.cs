using Lanyard.Identity;

namespace Lanyard.Cli.Runner.Server;

/// <summary>
/// A token that somebody else keeps fresh in a file: a projected service-account token. The kubelet rotates it by renaming, so it is
/// read for every call; it is small, and a stale copy would be refused just when it matters.
/// </summary>
internal sealed class TokenFileCredential(string path) : RunnerCredential
{
    private const int MaxBytes = 16 * 1024;

    public override async ValueTask<Outcome<string>> GetAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            if (file.Length > MaxBytes)
            {
                return new Refusal(RefusalReason.TokenTooLarge, $"the token file is larger than {MaxBytes} bytes");
            }

            using var reader = new StreamReader(file);
            var token = (await reader.ReadToEndAsync(cancellationToken)).Trim();
            return token.Length > 0 && token.AsSpan().IndexOfAnyExceptInRange('!', '~') < 0
                ? token
                : new Refusal(RefusalReason.TokenMalformed, "the token file holds no token");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return new Refusal(RefusalReason.TokenMissing, $"the token file can't be read: {exception.Message}");
        }
    }
}
