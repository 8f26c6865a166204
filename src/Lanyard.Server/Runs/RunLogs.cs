using System.Security.Cryptography;
using Lanyard.Identity;
using Microsoft.Win32.SafeHandles;

namespace Lanyard.Server.Runs;

/// <summary>What became of a chunk.</summary>
/// <param name="NextOffset">Where the next chunk goes on.</param>
/// <param name="IsGap">The chunk began behind the end: nothing was taken.</param>
internal sealed record LogAppend(long NextOffset, bool IsGap);

/// <summary>
/// The bytes of logs, a file an attempt: <c>logs/&lt;run&gt;/&lt;attempt&gt;.log</c> below the data folder. A chunk is acknowledged when the operating
/// system has it, which outlives a killed server; the end of an attempt is acknowledged when the file is synced and its length and hash are what the
/// runner says. Should the machine lose its power in between, the file is shorter than what was acknowledged: the next chunk is a gap, and the runner,
/// which keeps its log until the end is acknowledged, goes on from the file's end.
/// </summary>
internal sealed class RunLogs
{
    private const int Stripes = 64;

    private readonly string _folder;
    private readonly RunsOptions _options;
    private readonly SemaphoreSlim[] _locks = [.. Enumerable.Range(0, Stripes).Select(static _ => new SemaphoreSlim(1, 1))];

    public RunLogs(string dataFolder, RunsOptions options)
    {
        (_folder, _options) = (Path.Combine(dataFolder, "logs"), options);
        CreatePrivate(_folder);
    }

    /// <summary>
    /// Takes a chunk. Bytes that are there already are compared, not written: a repeated chunk is taken, one that says otherwise is refused.
    /// </summary>
    /// <param name="run">The id of an existing run: it becomes a file name.</param>
    public async Task<Outcome<LogAppend>> AppendAsync(string run, int attempt, long offset, ReadOnlyMemory<byte> chunk, CancellationToken cancellationToken)
    {
        if (offset + chunk.Length > _options.MaxLogBytes)
            return new Refusal(RefusalReason.RequestTooLarge, $"the log of {run}/{attempt} would be longer than {_options.MaxLogBytes} bytes");
        var gate = Gate(run, attempt);
        await gate.WaitAsync(cancellationToken);
        try
        {
            using var file = OpenForAppend(run, attempt);
            var length = RandomAccess.GetLength(file);
            if (offset > length)
                return new LogAppend(length, true);
            var known = (int)Math.Min(length - offset, chunk.Length);
            if (!HoldsSame(file, offset, chunk.Span[..known]))
                return new Refusal(RefusalReason.RequestMalformed, $"the log of {run}/{attempt} has other bytes at {offset}");
            RandomAccess.Write(file, chunk.Span[known..], offset + known);
            return new LogAppend(Math.Max(length, offset + chunk.Length), false);
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>Brings the log to the disk and compares it with what the runner says of it.</summary>
    /// <returns>Whether length and hash are the same; otherwise the log is shown as incomplete.</returns>
    public async Task<bool> FinishAsync(string run, int attempt, long bytes, string sha256, CancellationToken cancellationToken)
    {
        var gate = Gate(run, attempt);
        await gate.WaitAsync(cancellationToken);
        try
        {
            if (bytes == 0 && !File.Exists(PathOf(run, attempt)))
                return string.Equals(sha256, EmptySha256, StringComparison.Ordinal);
            await using var file = new FileStream(OpenForAppend(run, attempt), FileAccess.ReadWrite, 1 << 16, false);
            // It blocks, and many attempts end in one call: side by side the disk takes them together.
            await Task.Run(() => file.Flush(true), cancellationToken);
            return file.Length == bytes && Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancellationToken)) == sha256;
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>How long the log is now; 0 when there is none.</summary>
    public long Length(string run, int attempt) => new FileInfo(PathOf(run, attempt)) is { Exists: true } file ? file.Length : 0;

    /// <summary>The log from an offset on; null when there is nothing.</summary>
    public Stream? OpenRead(string run, int attempt, long offset)
    {
        try
        {
            var file = new FileStream(PathOf(run, attempt), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            file.Position = Math.Min(offset, file.Length);
            return file;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    private static readonly string EmptySha256 = Convert.ToHexStringLower(SHA256.HashData([]));

    private static bool HoldsSame(SafeFileHandle file, long offset, ReadOnlySpan<byte> bytes)
    {
        Span<byte> buffer = stackalloc byte[4096];
        while (bytes.Length > 0)
        {
            var read = RandomAccess.Read(file, buffer[..Math.Min(buffer.Length, bytes.Length)], offset);
            if (read == 0 || !bytes[..read].SequenceEqual(buffer[..read]))
                return false;
            bytes = bytes[read..];
            offset += read;
        }
        return true;
    }

    private SafeFileHandle OpenForAppend(string run, int attempt)
    {
        var path = PathOf(run, attempt);
        if (!File.Exists(path))
        {
            CreatePrivate(Path.GetDirectoryName(path)!);
            new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.OpenOrCreate,
                Access = FileAccess.Write,
                Share = FileShare.ReadWrite,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            }).Dispose();
        }
        return File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
    }

    private static void CreatePrivate(string folder) =>
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

    private string PathOf(string run, int attempt) => Path.Combine(_folder, run, $"{attempt}.log");

    private SemaphoreSlim Gate(string run, int attempt) => _locks[(uint)HashCode.Combine(run, attempt) % Stripes];
}
