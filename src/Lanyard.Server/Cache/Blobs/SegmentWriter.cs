using System.Buffers;
using System.Security.Cryptography;

namespace Lanyard.Server.Cache.Blobs;

/// <summary>Writes one segment: while a leaf is hashed and written, the next one is read.</summary>
internal sealed class SegmentWriter : IAsyncDisposable
{
    /// <summary>Below this another thread costs more than it saves.</summary>
    private const int Small = 128 * 1024;

    /// <summary>For larger writes the kernel takes large folios, of memory that is cold: a GiB costs 2.5 seconds of CPU in writes of 1 MiB and 0.6 in these.</summary>
    private const int WriteBytes = 64 * 1024;

    private readonly FileStream _file;
    private readonly SegmentCipher? _cipher;
    private readonly SegmentTags _tags;
    private readonly byte[]?[] _buffers;
    private readonly int _bufferBytes;
    private Task _writing = Task.CompletedTask;

    private SegmentWriter(FileStream file, long length, SegmentCipher? cipher, SegmentTags tags)
    {
        (_file, _cipher, _tags) = (file, cipher, tags);
        _bufferBytes = (int)Math.Clamp(length, 1, Leaf.Bytes);
        _buffers = new byte[length > Leaf.Bytes ? 2 : 1][];
        Digests = new byte[Leaf.CountOf(length) * SHA256.HashSizeInBytes];
        Tags = new byte[SegmentTags.CountOf(length) * SegmentTags.TagBytes];
    }

    public byte[] Digests { get; }

    public byte[] Tags { get; }

    /// <param name="cipher">Its owner disposes it, after the writer; the tags too.</param>
    public static SegmentWriter Create(string path, long length, SegmentCipher? cipher, SegmentTags tags)
    {
        try
        {
            var options = new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
                BufferSize = 0,
            };

            return new SegmentWriter(new FileStream(path, options), length, cipher, tags);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new BlobStoreException(exception);
        }
    }

    /// <returns>False when the body was shorter or longer than it should be.</returns>
    public async Task<bool> CopyAsync(Stream body, long length, CancellationToken cancellationToken)
    {
        for (var at = 0L; at < length; at += Leaf.Bytes)
        {
            var leaf = (int)(at / Leaf.Bytes);
            var wanted = (int)Math.Min(Leaf.Bytes, length - at);
            var buffer = _buffers[leaf % _buffers.Length] ??= ArrayPool<byte>.Shared.Rent(_bufferBytes);
            if (await body.ReadAtLeastAsync(buffer.AsMemory(0, wanted), wanted, throwOnEndOfStream: false, cancellationToken) < wanted) return false;
            await _writing;
            if (wanted <= Small) Store(buffer.AsSpan(0, wanted), leaf);
            else _writing = Task.Run(() => Store(buffer.AsSpan(0, wanted), leaf), CancellationToken.None);
        }

        await _writing;
        return await body.ReadAsync((_buffers[0] ??= ArrayPool<byte>.Shared.Rent(1)).AsMemory(0, 1), cancellationToken) == 0;
    }

    public async ValueTask DisposeAsync()
    {
        // A write under way still reads from its buffer.
        await _writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _file.DisposeAsync();
        foreach (var buffer in _buffers)
        {
            if (buffer is not null) ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void Store(Span<byte> bytes, int leaf)
    {
        SHA256.HashData(bytes, Leaf.DigestOf(Digests, leaf));
        for (var at = 0; at < bytes.Length; at += SegmentTags.PieceBytes)
            _tags.Write(bytes[at..Math.Min(bytes.Length, at + SegmentTags.PieceBytes)], (leaf * (Leaf.Bytes / SegmentTags.PieceBytes)) + (at / SegmentTags.PieceBytes), Tags);
        _cipher?.Apply(bytes, (long)leaf * Leaf.Bytes);
        try
        {
            for (var at = 0; at < bytes.Length; at += WriteBytes)
                RandomAccess.Write(_file.SafeFileHandle, bytes[at..Math.Min(bytes.Length, at + WriteBytes)], ((long)leaf * Leaf.Bytes) + at);
        }
        catch (IOException exception)
        {
            throw new BlobStoreException(exception);
        }
    }
}
