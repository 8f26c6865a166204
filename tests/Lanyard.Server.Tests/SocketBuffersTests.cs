using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests;

/// <summary>What connections receive into.</summary>
[Line("4.4")]
public sealed class SocketBuffersTests
{
    [Fact]
    public void A_block_that_is_given_back_serves_again_and_one_that_is_given_back_twice_serves_one_at_a_time()
    {
        using var buffers = new SocketBuffers();
        var first = buffers.Rent();
        var memory = first.Memory;
        first.Dispose();
        first.Dispose();

        using var second = buffers.Rent();
        using var third = buffers.Rent();

        Assert.True(second.Memory.Equals(memory));
        Assert.False(third.Memory.Equals(memory));
        Assert.True(third.Memory.Length >= 4096);
    }

    [Fact]
    public void More_than_a_block_is_refused_and_whoever_ends_it_ends_it_for_nobody_else()
    {
        var buffers = new SocketBuffers();
        Assert.Throws<ArgumentOutOfRangeException>(() => buffers.Rent(buffers.MaxBufferSize + 1));

        buffers.Create().Dispose();

        using var block = buffers.Rent(buffers.MaxBufferSize);
        Assert.Equal(buffers.MaxBufferSize, block.Memory.Length);
    }
}
