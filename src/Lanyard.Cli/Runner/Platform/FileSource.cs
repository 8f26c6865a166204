using Lanyard.Identity;

namespace Lanyard.Cli.Runner.Platform;

/// <summary>A token that somebody else keeps fresh in a file, such as SPIFFE's helper; read anew for each exchange.</summary>
internal sealed class FileSource(string path) : TokenSource
{
    public override async Task<Outcome<string>> FetchAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var buffer = new byte[MaxTokenBytes + 16];
            var length = await file.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken);
            return Checked(System.Text.Encoding.UTF8.GetString(buffer, 0, length), $"the file {path}");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return new Refusal(RefusalReason.TokenMissing, $"the token can't be read: {exception.Message}");
        }
    }
}
