using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Lanyard.Credentials.Pipelines;

namespace Lanyard.Credentials.Brokers;

/// <summary>
/// What a helper got, for its next start: tools start one for every call. In memory only (<c>XDG_RUNTIME_DIR</c>, else <c>/dev/shm</c>, where that is a tmpfs), readable by this user alone, never for
/// longer than the pipeline's token lives, and found again only by who holds that token: jobs that share a host and a user share nothing.
/// </summary>
internal sealed class CredentialCache
{
    private const int MaxSize = 64 * 1024;
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(60);
    private readonly string? _file;
    private readonly TimeProvider _time;

    private CredentialCache(string? file, TimeProvider time) => (_file, _time) = (file, time);

    /// <param name="parts">Everything that makes the credential this one: cloud, role, region.</param>
    public static CredentialCache For(TokenSource source, Func<string, string?> environment, TimeProvider time, params IReadOnlyList<string> parts)
    {
        if (environment("LANYARD_CREDENTIAL_CACHE") == "off" || HolderOf(source, environment) is not { Length: > 0 } holder || FolderOf(environment) is not { } folder)
            return new CredentialCache(null, time);
        var name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', parts.Append(holder)))));
        return new CredentialCache(Path.Combine(folder, name), time);
    }

    /// <returns>Null: there is none that will still be good for a minute.</returns>
    public string? Read()
    {
        if (_file is null) return null;
        try
        {
            if (new FileInfo(_file) is not { Exists: true, Length: < MaxSize, LinkTarget: null } || !FileOwner.IsMe(_file)) return null;
            var text = File.ReadAllText(_file);
            var end = text.IndexOf('\n', StringComparison.Ordinal);
            return end > 0 && long.TryParse(text[..end], NumberStyles.None, CultureInfo.InvariantCulture, out var until) && DateTimeOffset.FromUnixTimeSeconds(until) - Margin > _time.GetUtcNow()
                ? text[(end + 1)..]
                : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException)
        {
            return null;
        }
    }

    /// <summary>Where it can't be kept it is not kept: the helper has done its work all the same.</summary>
    /// <param name="ends">When the credential and the token that it came from end; the earlier counts, and without any nothing is kept.</param>
    public void Keep(string text, params IReadOnlyList<DateTimeOffset?> ends)
    {
        if (_file is null || ends.Any(static end => end is null) || ends.Min() is not { } until || until - Margin <= _time.GetUtcNow()) return;
        try
        {
            RemoveExpired(Path.GetDirectoryName(_file)!);
            var fresh = $"{_file}.{Environment.ProcessId}";
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite };
            using (var stream = new FileStream(fresh, options))
                stream.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{until.ToUnixTimeSeconds()}\n{text}")));
            File.Move(fresh, _file, overwrite: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
        }
    }

    /// <summary>What only the job itself holds.</summary>
    private static string? HolderOf(TokenSource source, Func<string, string?> environment)
    {
        try
        {
            return source.Kind switch
            {
                TokenSourceKind.Request => environment("ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
                TokenSourceKind.Variable => environment(source.Place),
                TokenSourceKind.Agent => environment("BUILDKITE_AGENT_ACCESS_TOKEN"),
                _ => File.ReadAllText(source.Place),
            };
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string? FolderOf(Func<string, string?> environment)
    {
        if (OperatingSystem.IsWindows() || new[] { environment("XDG_RUNTIME_DIR"), "/dev/shm" }.FirstOrDefault(IsInMemory) is not { } root) return null;
        const UnixFileMode mine = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        var folder = Path.Combine(root, $"lanyard-{Environment.UserName}");
        try
        {
            Directory.CreateDirectory(folder, mine);
            // /dev/shm is everybody's: who made the folder of this name could show it as private, and look into it all the same.
            return new DirectoryInfo(folder).LinkTarget is null && File.GetUnixFileMode(folder) == mine && FileOwner.IsMe(folder) ? folder : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Containers point XDG_RUNTIME_DIR anywhere, and what was on a disk can be found there after the job.</summary>
    private static bool IsInMemory(string? folder)
    {
        try
        {
            return folder is { Length: > 0 } && Directory.Exists(folder) && new DriveInfo(folder).DriveFormat is "tmpfs" or "ramfs";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return false;
        }
    }

    private void RemoveExpired(string folder)
    {
        foreach (var file in Directory.EnumerateFiles(folder))
        {
            using var reader = new StreamReader(file);
            if (!long.TryParse(reader.ReadLine(), NumberStyles.None, CultureInfo.InvariantCulture, out var until) || until <= _time.GetUtcNow().ToUnixTimeSeconds()) File.Delete(file);
        }
    }
}
