using Lanyard.Identity;

namespace Lanyard.Cli.Runner.Server;

/// <summary>
/// A token that somebody else keeps fresh in a file: a projected service-account token. The kubelet rotates it by renaming, so it is
/// read for every call; it is small, and a stale copy would be refused just when it matters. Where the server does not take a newer one (its key is new,
/// and the server will hear of it in a moment), the one that it took last serves until it expires.
/// </summary>
internal sealed class TokenFileCredential(string path, TimeProvider time) : RunnerCredential
{
    private const int MaxBytes = 16 * 1024;
    private static readonly TimeSpan TryAgainAfter = TimeSpan.FromSeconds(30);
    private readonly Lock _gate = new();
    private string? _taken;
    private string? _refused;
    private long _refusedAt;

    public override async ValueTask<Outcome<string>> GetAsync(CancellationToken cancellationToken)
    {
        var read = await ReadAsync(cancellationToken);
        return read.IsRefused ? read : Choose(read.Value);
    }

    public override void Accepted(string bearer)
    {
        lock (_gate)
        {
            _taken = bearer;
        }
    }

    public override void Refused(string bearer)
    {
        lock (_gate)
        {
            if (bearer == _taken)
            {
                _taken = null;
            }
            else
            {
                (_refused, _refusedAt) = (bearer, time.GetTimestamp());
            }
        }
    }

    private string Choose(string newest)
    {
        lock (_gate)
        {
            return newest == _refused && _taken is { } taken && time.GetElapsedTime(_refusedAt) < TryAgainAfter ? taken : newest;
        }
    }

    private async ValueTask<Outcome<string>> ReadAsync(CancellationToken cancellationToken)
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
