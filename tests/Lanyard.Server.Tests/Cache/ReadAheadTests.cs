using Lanyard.Server.Cache.Blobs;
using Lanyard.Server.Cache.Objects;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>Objects of a store are opened before their turn.</summary>
[Line("4.4")]
public sealed class ReadAheadTests
{
    private readonly List<Extent> _extents = [.. Enumerable.Range(0, 20).Select(static i => new Extent(i, $"s{i}", 1, [], []))];
    private readonly List<Watched> _opened = [];

    [Fact]
    public async Task They_come_in_order_and_only_so_many_are_open_at_once()
    {
        await using var ahead = new ReadAhead(_extents, OpenAsync);
        for (var i = 0; i < _extents.Count; i++)
        {
            await using var stream = await ahead.NextAsync();

            Assert.Same(_opened[i], stream);
            Assert.Equal(Math.Min(_extents.Count, i + ReadAhead.Most), _opened.Count);
        }
    }

    [Fact]
    public async Task Whoever_stops_in_the_middle_leaves_none_open_those_neither_that_failed_or_come_late()
    {
        var late = new TaskCompletionSource<Stream>();
        await using (var ahead = new ReadAhead(_extents, extent => extent.Segment switch
        {
            "s2" => Task.FromException<Stream>(new IOException("down")),
            "s3" => late.Task,
            _ => OpenAsync(extent),
        }))
        {
            await (await ahead.NextAsync()).DisposeAsync();
            var last = new Watched("s3");
            _opened.Add(last);
            late.SetResult(last);
        }

        Assert.All(_opened, static one => Assert.True(one.IsDisposed, one.Segment));
    }

    private Task<Stream> OpenAsync(Extent extent)
    {
        _opened.Add(new Watched(extent.Segment));
        return Task.FromResult<Stream>(_opened[^1]);
    }

    private sealed class Watched(string segment) : MemoryStream
    {
        public string Segment => segment;

        public bool IsDisposed { get; private set; }

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            base.Dispose(disposing);
        }
    }
}
