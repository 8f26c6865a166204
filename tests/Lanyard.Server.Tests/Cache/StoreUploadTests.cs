using System.Globalization;
using Lanyard.Server.Cache.Blobs;
using Lanyard.Server.Cache.Objects;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>Stores that do not take what is uploaded.</summary>
[Line("4.4")]
public sealed class StoreUploadTests
{
    private static readonly WorkspaceKey Key = new(new byte[32], isEncrypting: false);
    private static readonly byte[] Content = CacheServer.Random(3000);

    [Theory]
    [InlineData(507, 507, "InsufficientStorage")]
    [InlineData(503, 503, "ServerBusy")]
    [InlineData(403, 503, "ServerBusy")]
    public async Task A_client_is_told_whether_to_come_again(int storeStatus, int status, string code)
    {
        await using var store = RawUpstream.Answering($"HTTP/1.1 {storeStatus} x\r\nContent-Length: 0\r\n\r\n");
        await using var server = await CacheServer.StartAsync(configure: options => options with
        {
            Store = CacheStoreUrl.Parse(string.Create(CultureInfo.InvariantCulture, $"azure://account/cache?endpoint={store.Address}account"), out _),
            StoreKey = new byte[32],
        });

        using var answer = await server.PutAsync(await server.ReserveAsync(await server.MachineAsync(), "k"), Content);

        Assert.Equal((status, code), ((int)answer.StatusCode, answer.Headers.GetValues("x-ms-error-code").Single()));
    }

    /// <summary>It takes the bytes and never says that it has them.</summary>
    [Theory]
    [InlineData("azure")]
    [InlineData("s3")]
    public async Task An_upload_to_a_store_that_falls_silent_fails_and_nobody_waits_for_ever(string kind)
    {
        ForeignStore.KnowKeys();
        var time = new ManualTime();
        await using var store = new RawUpstream(static async connection =>
        {
            await connection.ReadHeadAsync();
            await connection.ReadHeadAsync();
        });
        ObjectStore silent = kind == "azure"
            ? new AzureStore(new Uri(store.Address, "/account/cache"), "account", new byte[32], null, time)
            : new S3Store("cache", "eu-west-1", store.Address, time, TimeSpan.FromMilliseconds(100));
        using var blobs = new ObjectBlobs(silent, "", isDirect: false, time, NullLogger<ObjectBlobs>.Instance);

        var writing = blobs.WriteAsync("blob", new MemoryStream(Content), Content.Length, Key, TestContext.Current.CancellationToken);
        await Eventually.HoldsAsync(
            () =>
            {
                time.Advance(ObjectStore.CallTimeout);
                return Task.FromResult(writing.IsCompleted);
            },
            "an end of it");

        Assert.IsType<BlobStoreException>(await Record.ExceptionAsync(() => writing));
    }
}
