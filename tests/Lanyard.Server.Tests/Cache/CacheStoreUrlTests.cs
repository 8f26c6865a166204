using System.IO.Pipelines;
using Lanyard.Server.Cache.Blobs;
using Lanyard.Server.Cache.Objects;
using Lanyard.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>How a store is named, who the server is there, and a store that is slow.</summary>
[Line("4.4")]
public sealed class CacheStoreUrlTests
{
    [Theory]
    [InlineData("s3://bucket", "bucket", null, "")]
    [InlineData("s3://bucket/a/b/?region=eu-west-1", "bucket", null, "a/b/")]
    [InlineData("s3://bucket?endpoint=http://127.0.0.1:9000", "bucket", null, "")]
    [InlineData("azure://account/container", "container", "account", "")]
    [InlineData("azure://account/container/x?endpoint=https://storage.example/account", "container", "account", "x/")]
    public void A_store_is_one_URL(string text, string name, string? account, string prefix)
    {
        var url = CacheStoreUrl.Parse(text, out _);

        Assert.NotNull(url);
        Assert.Equal((name, account, prefix), (url.Name, url.Account, url.Prefix));
    }

    [Theory]
    [InlineData("bucket")]
    [InlineData("https://bucket.s3.amazonaws.com")]
    [InlineData("s3://key:secret@bucket")]
    [InlineData("s3://bucket:9000")]
    [InlineData("s3://bucket/../x?region=a&region=b")]
    [InlineData("s3://bucket?endpoint=http://elsewhere.example")]
    [InlineData("s3://bucket?endpoint=ftp://127.0.0.1")]
    [InlineData("s3://bucket?secret=x")]
    [InlineData("s3://bucket/a%20b")]
    [InlineData("azure://account")]
    [InlineData("azure://account/container#x")]
    public void What_is_no_store_or_would_carry_a_secret_is_a_mistake(string text)
    {
        Assert.Null(CacheStoreUrl.Parse(text, out var mistake));
        Assert.StartsWith(mistake.StartsWith("the endpoint", StringComparison.Ordinal) ? "the endpoint must be" : "must be s3://", mistake, StringComparison.Ordinal);
        Assert.Contains(ServerOptions.Parse(["--cache-store", text]).Mistakes, one => one.Contains("--cache-store", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("--cache-direct-reads")]
    [InlineData("--cache-store-key-file", "x")]
    [InlineData("--cache-store", "s3://bucket", "--cache-store-key-file", "x")]
    public void Options_that_do_not_go_together_are_mistakes(params string[] arguments) => Assert.NotEmpty(ServerOptions.Parse(arguments).Mistakes);

    [Fact]
    public async Task With_workload_identity_no_key_is_anywhere_and_a_token_is_asked_for_once_an_hour()
    {
        var time = new ManualTime();
        var (asked, bearers) = (new List<string>(), new List<string>());
        await using var app = await ListenAsync(async context =>
        {
            if (context.Request.Path == "/tenant/oauth2/v2.0/token")
            {
                asked.Add(string.Join('&', (await context.Request.ReadFormAsync()).Select(static field => $"{field.Key}={field.Value}")));
                await context.Response.WriteAsync($$"""{"access_token":"entra-{{asked.Count}}","expires_in":3600}""");
                return;
            }

            bearers.Add(context.Request.Headers.Authorization.ToString());
            context.Response.StatusCode = context.Request.Method == "PUT" ? 201 : 202;
        });
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, "projected\n");
        var variables = new Dictionary<string, string>
        {
            ["AZURE_FEDERATED_TOKEN_FILE"] = file, ["AZURE_CLIENT_ID"] = "client", ["AZURE_TENANT_ID"] = "tenant", ["AZURE_AUTHORITY_HOST"] = app.Urls.First(),
        };
        using var store = new AzureStore(new Uri(app.Urls.First() + "/account/cache"), "account", null, AzureIdentity.FromEnvironment(variables.GetValueOrDefault, time), time);

        await store.PutAsync("a", new byte[1], CancellationToken.None);
        await store.DeleteAsync("a", CancellationToken.None);
        time.Advance(TimeSpan.FromMinutes(56));
        await store.PutAsync("a", new byte[1], CancellationToken.None);

        Assert.Equal(["Bearer entra-1", "Bearer entra-1", "Bearer entra-2"], bearers);
        Assert.Contains("client_assertion=projected", asked[0], StringComparison.Ordinal);
        Assert.Contains("scope=https://storage.azure.com/.default", asked[0], StringComparison.Ordinal);
        Assert.Null(await store.SignAsync("a", TimeSpan.FromMinutes(1)));
        File.Delete(file);
        Assert.Null(AzureIdentity.FromEnvironment(static _ => null, time));
    }

    [Fact]
    public async Task A_store_that_falls_silent_in_the_middle_is_a_failure_of_the_store_and_not_of_the_bytes()
    {
        var time = new ManualTime();
        var blobs = new ObjectBlobs(new SilentStore(), "", isDirect: false, time, NullLogger<ObjectBlobs>.Instance);
        var reading = blobs.CopyAsync("b", [new Extent(0, "s", 10, new byte[32], [])], new ByteRange(0, 9), new WorkspaceKey(new byte[32], isEncrypting: false), PipeWriter.Create(Stream.Null), CancellationToken.None);
        Assert.False(reading.IsCompleted);

        time.Advance(TimeSpan.FromSeconds(31));

        await Assert.ThrowsAsync<BlobStoreException>(() => reading);
    }

    private static async Task<WebApplication> ListenAsync(RequestDelegate answer)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        app.Run(answer);
        await app.StartAsync();
        return app;
    }

    private sealed class SilentStore : ObjectStore
    {
        public override int MostParts => 1;

        public override Task PutAsync(string key, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => Task.CompletedTask;

        public override Task<PartUpload> BeginAsync(string key, CancellationToken cancellationToken) => throw new NotSupportedException();

        public override Task<Stream?> OpenAsync(string key, long first, long last, CancellationToken cancellationToken) => Task.FromResult<Stream?>(new Pipe().Reader.AsStream());

        public override Task<Dictionary<string, long>> ListAsync(string prefix, CancellationToken cancellationToken) => throw new NotSupportedException();

        public override Task DeleteAsync(string key, CancellationToken cancellationToken) => Task.CompletedTask;

        public override ValueTask<string?> SignAsync(string key, TimeSpan life) => ValueTask.FromResult<string?>(null);

        public override void Dispose()
        {
        }
    }
}
