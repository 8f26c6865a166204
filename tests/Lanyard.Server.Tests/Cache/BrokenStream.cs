namespace Lanyard.Server.Tests.Cache;

/// <summary>A body that breaks off after so many bytes.</summary>
internal sealed class BrokenStream(int bytes) : MemoryStream(new byte[bytes])
{
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        Position == Length ? ValueTask.FromException<int>(new IOException("gone")) : base.ReadAsync(buffer, cancellationToken);
}
