using System.Collections.Concurrent;
using System.IO.Pipelines;
using Lanyard.Server.Http;

namespace Lanyard.Server.Cache.Blobs;

/// <summary>
/// The files driver: every uploaded body is one file, <c>root/ab/blob/segment</c>, written once and never copied; a blob is a list of them. Leaves are
/// hashed while they are written, beside the next read; what is sent is checked by its tags. Nothing is synced to disk: what a power cut takes shows as a
/// digest that does not match, and a cache may forget.
/// </summary>
internal sealed class FileBlobs(string root, TimeProvider time) : BlobStore
{
    /// <summary>
    /// A file that stands in the root from a server's first start on: where it is missing the root is not what it was (a share is not mounted), and what is missing there is not gone.
    /// </summary>
    public const string MarkerName = ".lanyard-cache";

    private readonly string _marker = MarkerIn(root);

    /// <summary>After so many bytes others come first: what all clients have not read yet fits into the processor's caches then.</summary>
    private const long Turn = 512 * 1024;

    private const int MostRemembered = 65_536;

    /// <summary>A folder's time is as coarse as the file system's clock, and may be another machine's: two changes right after one another can have the same.</summary>
    private static readonly TimeSpan Settled = TimeSpan.FromMinutes(1);

    /// <summary>Blobs that were whole, with the time of their folder then.</summary>
    private readonly ConcurrentDictionary<string, DateTime> _whole = new(StringComparer.Ordinal);

    /// <summary>Copies to clients that are under way.</summary>
    private int _copies;

    private const UnixFileMode OwnFolder = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    public override async Task<StoredSegment?> WriteAsync(string blob, Stream body, long length, WorkspaceKey key, CancellationToken cancellationToken)
    {
        var segment = Ids.New("seg", time);
        RequireRoot();
        CreateFolder(blob);
        var path = PathOf(blob, segment);
        var done = false;
        try
        {
            using var cipher = key.CipherOf(segment);
            using var tags = key.TagsOf(segment);
            await using var writer = SegmentWriter.Create(path, length, cipher, tags);
            var complete = await writer.CopyAsync(body, length, cancellationToken);
            done = complete;
            return complete ? new StoredSegment(segment, length, writer.Digests, writer.Tags) : null;
        }
        finally
        {
            if (!done) DeleteFile(path);
        }
    }

    /// <summary>
    /// A look at the files' lengths, not at their bytes; and where that was done before, only at the time of their folder, which changes with every file that comes or
    /// goes. What is cut short in its place later is found by its digest when it is read, as if it had been changed.
    /// </summary>
    public override async ValueTask<bool> HasAsync(string blob, Func<Task<List<(string Segment, long Length)>>> segments, CancellationToken cancellationToken)
    {
        // Read first: whatever happens from here on shows in the next look's time.
        var changed = Asked(FolderOf(blob), Directory.GetLastWriteTimeUtc);
        if (_whole.TryGetValue(blob, out var seen) && seen == changed) return true;
        var isWhole = (await segments()).TrueForAll(part => Asked(PathOf(blob, part.Segment), LengthOf) == part.Length);
        if (!isWhole)
        {
            _whole.TryRemove(blob, out _);
            RequireRoot();
        }
        else if (TimeProvider.System.GetUtcNow().UtcDateTime - changed > Settled) Remember(blob, changed);
        return isWhole;
    }

    private void Remember(string blob, DateTime changed)
    {
        if (_whole.Count >= MostRemembered) _whole.Clear();
        _whole[blob] = changed;
    }

    public override async Task CopyAsync(string blob, IReadOnlyList<Extent> extents, ByteRange range, WorkspaceKey key, PipeWriter to, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _copies);
        try
        {
            await CopyPiecesAsync(blob, extents, range, key, to, cancellationToken);
        }
        finally
        {
            Interlocked.Decrement(ref _copies);
        }
    }

    private async Task CopyPiecesAsync(string blob, IReadOnlyList<Extent> extents, ByteRange range, WorkspaceKey key, PipeWriter to, CancellationToken cancellationToken)
    {
        var sent = 0L;
        foreach (var extent in extents)
        {
            using var source = new SegmentSource(Open(blob, extent.Segment), extent, key);
            var first = Math.Max(0, range.First - extent.Position);
            var end = Math.Min(extent.Length, range.Last + 1 - extent.Position);
            for (var piece = first / source.PieceBytes; piece * source.PieceBytes < end; piece++)
            {
                sent += source.Send((int)piece, first, end, to);
                if ((await to.FlushAsync(cancellationToken)).IsCompleted) return;

                // A client on this machine reads what is still in the caches, before more is put on top of it. Few transfers have the cores that they need, and give none away.
                if (Volatile.Read(ref _copies) > Environment.ProcessorCount) Thread.Yield();
                if (sent < Turn) continue;
                sent = 0;
                await default(FairTurn);
            }
        }
    }

    public override ValueTask DeleteAsync(string blob, IReadOnlyList<string> segments)
    {
        foreach (var segment in segments) DeleteFile(PathOf(blob, segment));
        return ValueTask.CompletedTask;
    }

    public override ValueTask<int> CountAsync(string blob) => ValueTask.FromResult(FilesOf(blob).Length);

    public override ValueTask DeleteAllButAsync(string blob, IReadOnlySet<string> segments)
    {
        foreach (var path in FilesOf(blob))
        {
            if (!segments.Contains(Path.GetFileName(path))) DeleteFile(path);
        }

        return ValueTask.CompletedTask;
    }

    public override ValueTask DeleteAsync(string blob)
    {
        try
        {
            Directory.Delete(FolderOf(blob), recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Nothing is left.
            RequireRoot();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new BlobStoreException(exception);
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>Best effort: without it everything is an outage, until it can be put there by the next start.</summary>
    private static string MarkerIn(string root)
    {
        var marker = Path.Combine(root, MarkerName);
        try
        {
            Directory.CreateDirectory(root, OwnFolder);
            File.Open(marker, FileMode.OpenOrCreate).Dispose();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
        }

        return marker;
    }

    private void RequireRoot()
    {
        if (!File.Exists(_marker)) throw new BlobStoreException(new DirectoryNotFoundException($"{root} is not there, or is another folder than it was: it has no {MarkerName}"));
    }

    private void CreateFolder(string blob) => Asked(FolderOf(blob), static folder => Directory.CreateDirectory(folder, OwnFolder));

    private Microsoft.Win32.SafeHandles.SafeFileHandle Open(string blob, string segment)
    {
        try
        {
            return Asked(PathOf(blob, segment), static path => File.OpenHandle(path));
        }
        catch (BlobStoreException exception) when (exception.InnerException is FileNotFoundException or DirectoryNotFoundException)
        {
            RequireRoot();
            throw new BlobDamagedException($"segment {segment} is missing");
        }
    }

    /// <returns>-1 where there is no such file.</returns>
    private static long LengthOf(string path)
    {
        try
        {
            return new FileInfo(path).Length;
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            return -1;
        }
    }

    /// <summary>A disk that can't be asked says nothing about what lies there: too many files are open, a share is away.</summary>
    private static T Asked<T>(string path, Func<string, T> question)
    {
        try
        {
            return question(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new BlobStoreException(exception);
        }
    }

    private string FolderOf(string blob) => Path.Combine(root, blob[..2], blob);

    private string PathOf(string blob, string segment) => Path.Combine(FolderOf(blob), segment);

    /// <returns>None where the disk can't be asked.</returns>
    private string[] FilesOf(string blob)
    {
        try
        {
            return Directory.GetFiles(FolderOf(blob));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>What can't be deleted, or was with the whole blob meanwhile, is nobody's failure who has stored something: it goes with the blob at last.</summary>
    private static void DeleteFile(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
        }
    }
}
