using System.IO.Pipelines;
using Lanyard.Server.Cache.Blobs;
using Lanyard.Server.Cache.Objects;
using Lanyard.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>A store takes so many parts and no more: S3 10,000, Azure 50,000.</summary>
[Line("4.4")]
public sealed class PartSizeTests
{
    private static readonly WorkspaceKey Key = new(new byte[32], isEncrypting: true);

    [Theory]
    [InlineData(1L << 20, 10_000, 8)]
    [InlineData(8L * 10_000 << 20, 10_000, 8)]
    [InlineData((8L * 10_000 << 20) + 1, 10_000, 9)]
    [InlineData(1L << 40, 10_000, 105)]
    [InlineData(1L << 40, 50_000, 21)]
    public void However_long_a_body_is_it_has_no_more_parts_than_the_store_takes(long length, int most, int mebibytes)
    {
        var bytes = ObjectBlobs.PartBytesOf(length, most);

        Assert.Equal(mebibytes << 20, bytes);
        Assert.True((length + bytes - 1) / bytes <= most);
    }

    [Fact]
    public async Task A_body_in_larger_parts_is_read_as_it_was_written()
    {
        var store = new NarrowStore();
        using var blobs = new ObjectBlobs(store, "", isDirect: false, TimeProvider.System, NullLogger<ObjectBlobs>.Instance);
        var content = CacheServer.Random((30 << 20) + 5);

        var stored = await blobs.WriteAsync("blob", new MemoryStream(content), content.Length, Key, TestContext.Current.CancellationToken);

        Assert.Equal([11 << 20, 11 << 20, (8 << 20) + 5], store.Parts);
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
        await blobs.CopyAsync(
            "blob", [new Extent(0, stored!.Segment, content.Length, stored.Digests, [])], new ByteRange(3, content.Length - 1), Key, pipe.Writer, TestContext.Current.CancellationToken);
        await pipe.Writer.CompleteAsync();
        using var read = new MemoryStream();
        await pipe.Reader.CopyToAsync(read, TestContext.Current.CancellationToken);
        Assert.True(read.ToArray().AsSpan().SequenceEqual(content.AsSpan(3)));
    }

    /// <summary>Has one object, of three parts at most.</summary>
    private sealed class NarrowStore : ObjectStore
    {
        private readonly MemoryStream _object = new();

        public List<int> Parts { get; } = [];

        public override int MostParts => 3;

        public override Task<PartUpload> BeginAsync(string key, CancellationToken cancellationToken) => Task.FromResult<PartUpload>(new Upload(this));

        public override Task<Stream?> OpenAsync(string key, long first, long last, CancellationToken cancellationToken) =>
            Task.FromResult<Stream?>(new MemoryStream(_object.ToArray()[(int)first..(int)(last + 1)]));

        public override Task PutAsync(string key, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => throw new NotSupportedException();

        public override Task<Dictionary<string, long>> ListAsync(string prefix, CancellationToken cancellationToken) => throw new NotSupportedException();

        public override Task DeleteAsync(string key, CancellationToken cancellationToken) => throw new NotSupportedException();

        public override ValueTask<string?> SignAsync(string key, TimeSpan life) => throw new NotSupportedException();

        public override void Dispose() => _object.Dispose();

        private sealed class Upload(NarrowStore store) : PartUpload
        {
            public override Task AddAsync(int number, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
            {
                store.Parts.Add(bytes.Length);
                Assert.Equal((store.Parts.Count, true), (number, number <= store.MostParts));
                return store._object.WriteAsync(bytes, cancellationToken).AsTask();
            }

            public override Task CompleteAsync(CancellationToken cancellationToken) => Task.CompletedTask;

            public override Task AbortAsync() => Task.CompletedTask;
        }
    }
}
