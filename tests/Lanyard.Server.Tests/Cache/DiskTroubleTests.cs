using System.Net;
using Lanyard.Server.Cache.Limits;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>A disk that can't be asked for a while: a share that is away, too many open files (for which stands an error of each path below the cache's folder, as of a link that leads to itself).</summary>
[Line("4.4")]
[Line("4.5")]
public sealed class DiskTroubleTests : IAsyncLifetime
{
    private static readonly byte[] Content = CacheServer.Random(3 << 20);
    private CacheServer _server = null!;
    private string _folder = "";
    private string _machine = "";

    public async ValueTask InitializeAsync()
    {
        _server = await CacheServer.StartAsync(configure: options =>
        {
            _folder = options.Folder;
            return options;
        });
        _machine = await _server.MachineAsync();
        await _server.SaveAsync(_machine, "k", Content);
    }

    public ValueTask DisposeAsync()
    {
        if (Directory.Exists(_folder + ".away")) Mend();
        return _server.DisposeAsync();
    }

    [Theory]
    [InlineData(Trouble.Error)]
    [InlineData(Trouble.NoFolder)]
    [InlineData(Trouble.NotMounted)]
    public async Task While_the_disk_can_not_be_asked_a_look_up_is_a_miss_and_no_entry_is_given_up_for_it(Trouble trouble)
    {
        Break(trouble);
        Assert.Null(await _server.FindAsync(_machine, "k"));
        await PurgeAsync();
        Mend();

        Assert.Equal("k", await _server.FindAsync(_machine, "k"));
        Assert.Equal(Content, await _server.Client.GetByteArrayAsync(await _server.DownloadUrlAsync(_machine, "k")));
    }

    [Theory]
    [InlineData(Trouble.Error)]
    [InlineData(Trouble.NoFolder)]
    [InlineData(Trouble.NotMounted)]
    public async Task A_read_that_the_disk_fails_breaks_off_and_the_entry_is_served_again_when_the_disk_is_back(Trouble trouble)
    {
        var url = await _server.DownloadUrlAsync(_machine, "k");
        Break(trouble);
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => _server.Client.GetByteArrayAsync(url));
        await PurgeAsync();
        Mend();

        Assert.Equal(Content, await _server.Client.GetByteArrayAsync(url));
    }

    [Theory]
    [InlineData(Trouble.Error)]
    [InlineData(Trouble.NoFolder)]
    [InlineData(Trouble.NotMounted)]
    public async Task An_upload_that_the_disk_fails_is_a_503_and_goes_through_when_the_disk_is_back(Trouble trouble)
    {
        var url = await _server.ReserveAsync(_machine, "new");
        Break(trouble);
        using (var refused = await _server.PutAsync(url, Content)) Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Mend();

        using (var taken = await _server.PutAsync(url, Content)) Assert.Equal(HttpStatusCode.Created, taken.StatusCode);
        Assert.True((await _server.FinalizeAsync(_machine, "new", Content.Length)).Json.GetProperty("ok").GetBoolean());
    }

    /// <summary>Here a folder stands where the block's file was.</summary>
    [Fact]
    public async Task A_block_is_taken_though_the_file_of_the_one_that_it_replaces_can_not_be_deleted()
    {
        var url = await _server.ReserveAsync(_machine, "new");
        var block = $"&comp=block&blockid={CacheServer.BlockId("1")}";
        Assert.Equal(HttpStatusCode.Created, (await _server.PutAsync(url, [1], block)).StatusCode);
        var file = _server.Files.Single(static file => new FileInfo(file).Length == 1);
        File.Delete(file);
        Directory.CreateDirectory(file);

        Assert.Equal(HttpStatusCode.Created, (await _server.PutAsync(url, [2], block)).StatusCode);
        Assert.Equal(HttpStatusCode.Created, (await _server.PutListAsync(url, CacheServer.BlockId("1"))).StatusCode);
        Assert.True((await _server.FinalizeAsync(_machine, "new", 1)).Json.GetProperty("ok").GetBoolean());
        Assert.Equal([2], await _server.Client.GetByteArrayAsync(await _server.DownloadUrlAsync(_machine, "new")));
    }

    private Task PurgeAsync() => _server.Server.Services.GetRequiredService<CachePurger>().PurgeAsync(TestContext.Current.CancellationToken);

    private void Break(Trouble trouble)
    {
        Directory.Move(_folder, _folder + ".away");
        if (trouble == Trouble.Error) File.CreateSymbolicLink(_folder, _folder);
        if (trouble == Trouble.NotMounted) Directory.CreateDirectory(_folder);
    }

    private void Mend()
    {
        if (Directory.Exists(_folder)) Directory.Delete(_folder);
        else File.Delete(_folder);
        Directory.Move(_folder + ".away", _folder);
    }

    public enum Trouble
    {
        /// <summary>Each path is an error.</summary>
        Error,

        /// <summary>The data directory's share is away.</summary>
        NoFolder,

        /// <summary>The folder itself is where a share should be.</summary>
        NotMounted,
    }
}
