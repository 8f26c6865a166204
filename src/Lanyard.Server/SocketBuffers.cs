using System.Buffers;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Connections;

namespace Lanyard.Server;

/// <summary>
/// What the server receives into and sends from: blocks of 64 KiB where Kestrel's own have 4, because each block received is a call of the kernel and a turn of
/// the pipe, and an upload of a GiB has 262,144 of the small ones. A connection has blocks only while bytes are in them: those that wait cost no more than before.
/// </summary>
internal sealed class SocketBuffers : MemoryPool<byte>, IMemoryPoolFactory<byte>
{
    private const int BlockBytes = 64 * 1024;

    /// <summary>32 MiB. What is more goes back to the runtime.</summary>
    private const int MostKept = 512;

    private readonly ConcurrentQueue<Block> _free = new();
    private int _kept;

    public override int MaxBufferSize => BlockBytes;

    /// <summary>One for all connections.</summary>
    public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => this;

    public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, BlockBytes);
        if (!_free.TryDequeue(out var block)) return new Block(this);
        Interlocked.Decrement(ref _kept);
        block.Begin();
        return block;
    }

    /// <summary>Whoever was given it has no right to end it for the others.</summary>
    protected override void Dispose(bool disposing)
    {
    }

    private void Return(Block block)
    {
        if (Interlocked.Increment(ref _kept) <= MostKept) _free.Enqueue(block);
        else Interlocked.Decrement(ref _kept);
    }

    private sealed class Block(SocketBuffers pool) : IMemoryOwner<byte>
    {
        private int _isFree;

        public Memory<byte> Memory { get; } = MemoryMarshal.CreateFromPinnedArray(GC.AllocateUninitializedArray<byte>(BlockBytes, pinned: true), 0, BlockBytes);

        public void Begin() => _isFree = 0;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isFree, 1) == 0) pool.Return(this);
        }
    }
}
