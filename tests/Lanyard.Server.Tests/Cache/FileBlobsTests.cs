using Lanyard.Server.Cache.Blobs;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>Whether a blob's files are there is asked at every look-up: it must be cheap, and never true of what is gone.</summary>
[Line("4.5")]
public sealed class FileBlobsTests : IDisposable
{
    private const string Blob = "abcdef";
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("lanyard-blobs-");
    private readonly FileBlobs _blobs;
    private int _asked;

    public FileBlobsTests()
    {
        _blobs = new FileBlobs(_root.FullName, TimeProvider.System);
        Directory.CreateDirectory(Folder);
        foreach (var name in (string[])["one", "two"]) File.WriteAllText(Path.Combine(Folder, name), "12345");
    }

    private string Folder => Path.Combine(_root.FullName, "ab", Blob);

    public void Dispose() => _root.Delete(recursive: true);

    [Fact]
    public async Task What_was_whole_is_not_looked_through_again_until_a_file_comes_or_goes()
    {
        Settle();
        for (var i = 0; i < 3; i++) Assert.True(await HasAsync());
        Assert.Equal(1, _asked);

        File.Delete(Path.Combine(Folder, "two"));
        for (var i = 1; i <= 2; i++)
        {
            Assert.False(await HasAsync());
            Assert.Equal(1 + i, _asked);
        }

        File.WriteAllText(Path.Combine(Folder, "two"), "1234");
        Assert.False(await HasAsync());
        File.WriteAllText(Path.Combine(Folder, "two"), "12345");
        Assert.True(await HasAsync());
        Directory.Delete(Folder, recursive: true);
        Assert.False(await HasAsync());
    }

    /// <summary>Two changes within a tick of the file system's clock have one time: the second would not show.</summary>
    [Fact]
    public async Task A_folder_that_changed_just_now_is_looked_through_each_time()
    {
        for (var i = 0; i < 3; i++) Assert.True(await HasAsync());
        Assert.Equal(3, _asked);

        var changed = Directory.GetLastWriteTimeUtc(Folder);
        File.Delete(Path.Combine(Folder, "one"));
        Directory.SetLastWriteTimeUtc(Folder, changed);
        Assert.False(await HasAsync());
    }

    [Fact]
    public async Task A_blob_without_bytes_needs_no_folder()
    {
        Directory.Delete(Folder, recursive: true);
        for (var i = 0; i < 2; i++) Assert.True(await _blobs.HasAsync(Blob, static () => Task.FromResult(new List<(string, long)>()), CancellationToken.None));
    }

    private void Settle() => Directory.SetLastWriteTimeUtc(Folder, TimeProvider.System.GetUtcNow().UtcDateTime - TimeSpan.FromMinutes(5));

    private async Task<bool> HasAsync() => await _blobs.HasAsync(
        Blob,
        () =>
        {
            _asked++;
            return Task.FromResult(new List<(string, long)> { ("one", 5), ("two", 5) });
        },
        CancellationToken.None);
}
