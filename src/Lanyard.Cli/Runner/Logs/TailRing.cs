namespace Lanyard.Cli.Runner.Logs;

/// <summary>The last <paramref name="capacity"/> bytes of what was written to it, in a file of that size.</summary>
internal sealed class TailRing(string path, long capacity) : IDisposable
{
    private readonly FileStream _file = PrivateFiles.Create(path);
    private long _written;

    /// <summary>Bytes that have been overwritten.</summary>
    public long Dropped => Math.Max(0, _written - capacity);

    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > capacity)
        {
            _written += bytes.Length - capacity;
            bytes = bytes[^(int)capacity..];
        }

        while (!bytes.IsEmpty)
        {
            var at = _written % capacity;
            var part = bytes[..(int)Math.Min(bytes.Length, capacity - at)];
            RandomAccess.Write(_file.SafeFileHandle, part, at);
            _written += part.Length;
            bytes = bytes[part.Length..];
        }
    }

    /// <summary>Hands out what is there, oldest first.</summary>
    public void Drain(Action<ReadOnlyMemory<byte>> take)
    {
        var buffer = new byte[64 * 1024];
        for (var position = Dropped; position < _written;)
        {
            var at = position % capacity;
            var length = (int)Math.Min(buffer.Length, Math.Min(capacity - at, _written - position));
            var read = RandomAccess.Read(_file.SafeFileHandle, buffer.AsSpan(0, length), at);
            if (read == 0)
            {
                throw new EndOfStreamException("the tail of the log is shorter than what was written to it");
            }

            take(buffer.AsMemory(0, read));
            position += read;
        }
    }

    public void Dispose()
    {
        _file.Dispose();
        File.Delete(path);
    }
}
