using System.Net;
using System.Net.Sockets;
using System.Text;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>Bodies that come too slowly where many come on one connection (HTTP/2), and bodies that outlast their reservation.</summary>
[Line("4.4")]
[Line("4.7")]
public sealed class SlowBodyTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);
    private readonly ManualTime _time = new(DateTimeOffset.FromUnixTimeSeconds(1_900_000_000));
    private readonly int _port = FreePort.Take();
    private CacheServer _server = null!;
    private string _machine = "";

    /// <summary>Beside the usual address there is one for HTTP/2; the server's own watch over slow connections is off.</summary>
    public async ValueTask InitializeAsync()
    {
        _server = await CacheServer.StartAsync(time: _time, configure: static options => options with { UploadPatience = TimeSpan.FromMinutes(10) }, more: services => services.Configure<KestrelServerOptions>(kestrel =>
        {
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Listen(IPAddress.Loopback, 0);
            kestrel.Listen(IPAddress.Loopback, _port, static endpoint => endpoint.Protocols = HttpProtocols.Http2);
        }));
        _machine = await _server.MachineAsync();
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Of_two_uploads_on_one_connection_the_one_that_stands_still_is_cut_off_and_leaves_nothing_and_the_other_goes_on()
    {
        var (still, quick) = (new HeldContent(1000, 4 << 20), new HeldContent(1 << 20, 4 << 20));
        var stands = SendAsync(await _server.ReserveAsync(_machine, "still"), still);
        var goes = SendAsync(await _server.ReserveAsync(_machine, "quick"), quick);
        await Eventually.HoldsAsync(
            () => Task.FromResult(_server.Files.Count == 2 && _server.Files.Any(static file => new FileInfo(file).Length == 1 << 20)), "a file of each, with the MiB of the quick one", Deadline);

        // A MiB is enough for four minutes more.
        await AdvanceUntilAsync(stands, TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(13));
        using (var answer = await stands) Assert.Equal(HttpStatusCode.RequestTimeout, answer.StatusCode);
        await Eventually.HoldsAsync(() => Task.FromResult(_server.Files.Count == 1), "no file but the other's", Deadline);

        Assert.False(goes.IsCompleted);
        quick.Release();
        using (var answer = await goes) Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
    }

    [Fact]
    public async Task An_upload_ends_with_its_reservation_and_gives_the_room_that_it_had_announced_to_others_but_goes_on_where_the_reservation_was_renewed()
    {
        Assert.Equal(200, (int)(await _server.Server.PutAsync("/v1/workspaces/acme/cache/settings", """{"workspaceBytes":3000000}""")).Status);
        using var given = await BeginAsync(await _server.ReserveAsync(_machine, "given up"), 1 << 20, 2_000_000);
        using var renewed = await BeginAsync(await _server.ReserveAsync(_machine, "renewed"), 900_000, 1_000_000);
        await Eventually.HoldsAsync(() => Task.FromResult(_server.Files.Count == 2), "a file of each of them", Deadline);
        using (var refused = await _server.PutAsync(await _server.ReserveAsync(_machine, "other"), new byte[1])) Assert.Equal(HttpStatusCode.RequestEntityTooLarge, refused.StatusCode);

        _time.Advance(TimeSpan.FromMinutes(50));
        await _server.ReserveAsync(_machine, "renewed");
        var answer = StatusAsync(given);
        await AdvanceUntilAsync(answer, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(20));
        Assert.Equal("HTTP/1.1 409 ", await answer);
        using (var taken = await _server.PutAsync(await _server.ReserveAsync(_machine, "other"), new byte[1_999_000])) Assert.Equal(HttpStatusCode.Created, taken.StatusCode);

        await renewed.GetStream().WriteAsync(new byte[100_000]);
        Assert.Equal("HTTP/1.1 201 ", await StatusAsync(renewed));
        Assert.True((await _server.FinalizeAsync(_machine, "renewed", 1_000_000)).Json.GetProperty("ok").GetBoolean());
    }

    /// <summary>It had been told at its end alone, after bytes for an hour that nobody could have.</summary>
    [Theory]
    [InlineData("delete")]
    [InlineData("quarantine")]
    public async Task An_upload_whose_entry_is_taken_away_is_told_while_it_sends_and_leaves_nothing(string how)
    {
        using var upload = await BeginAsync(await _server.ReserveAsync(_machine, "k"), 1 << 20, 2_000_000);
        await Eventually.HoldsAsync(() => Task.FromResult(_server.Files.Count == 1), "a file of it", Deadline);
        Assert.Equal(200, (int)(await _server.Server.SendAsync(HttpMethod.Post, $"/v1/workspaces/acme/cache/{how}", "admin", $$"""{"producer":{"subject":"{{_machine}}"} }""")).Status);

        var answer = StatusAsync(upload);
        await AdvanceUntilAsync(answer, TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(2));

        Assert.Equal("HTTP/1.1 409 ", await answer);
        await Eventually.HoldsAsync(() => Task.FromResult(_server.Files.Count == 0), "no file of it", Deadline);
    }

    private async Task AdvanceUntilAsync(Task task, TimeSpan step, TimeSpan most)
    {
        var gone = TimeSpan.Zero;
        await Eventually.HoldsAsync(
            () =>
            {
                if (!task.IsCompleted && gone < most) _time.Advance(step);
                gone += step;
                return Task.FromResult(task.IsCompleted);
            },
            "an answer to the upload",
            Deadline);
    }

    private async Task<HttpResponseMessage> SendAsync(string url, HttpContent content)
    {
        var to = new UriBuilder(url) { Port = _port };
        using var request = new HttpRequestMessage(HttpMethod.Put, to.Uri) { Content = content, Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        return await _server.Client.SendAsync(request);
    }

    /// <summary>By the first protocol: announces so many bytes and sends some of them.</summary>
    private static async Task<TcpClient> BeginAsync(string url, int first, int length)
    {
        var (to, client) = (new Uri(url), new TcpClient());
        await client.ConnectAsync(to.Host, to.Port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"PUT {to.PathAndQuery} HTTP/1.1\r\nHost: {to.Authority}\r\nContent-Length: {length}\r\n\r\n"));
        await client.GetStream().WriteAsync(new byte[first]);
        return client;
    }

    private static async Task<string> StatusAsync(TcpClient client)
    {
        var status = new byte[13];
        using var deadline = new CancellationTokenSource(Deadline);
        return Encoding.ASCII.GetString(status, 0, await client.GetStream().ReadAtLeastAsync(status, status.Length, throwOnEndOfStream: false, deadline.Token));
    }

    /// <summary>Sends so many of its bytes, and the others when it is told.</summary>
    private sealed class HeldContent(int first, int length) : HttpContent
    {
        private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Release() => _released.TrySetResult();

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(new byte[first]);
            await stream.FlushAsync();
            await _released.Task;
            await stream.WriteAsync(new byte[length - first]);
        }

        protected override bool TryComputeLength(out long computed)
        {
            computed = length;
            return true;
        }
    }
}
