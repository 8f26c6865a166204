using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;

namespace Lanyard.ClusterProxy.Tests;

/// <summary>A client that speaks HTTP/2 only, and counts the connections that it had to make.</summary>
internal sealed class Http2Client : IDisposable
{
    private readonly HttpClient _client;
    private readonly Uri _address;
    private int _connections;

    public Http2Client(Uri address)
    {
        _address = address;
        _client = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = ConnectAsync,
            SslOptions = new() { RemoteCertificateValidationCallback = static (_, seen, _, _) => seen is not null },
        });
    }

    public int Connections => Volatile.Read(ref _connections);

    public Task<(HttpStatusCode Code, string Body)> GetAsync(string token, string? field = null, string path = "/api") => GetAsync(token, field is null ? [] : [("X-A", field)], path);

    public async Task<(HttpStatusCode Code, string Body)> GetAsync(string token, IReadOnlyList<(string Name, string Value)> fields, string path = "/api")
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(_address, path)) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        foreach (var (name, value) in fields)
        {
            request.Headers.Add(name, value);
        }

        using var answer = await _client.SendAsync(request);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    public void Dispose() => _client.Dispose();

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellation)
    {
        Interlocked.Increment(ref _connections);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(context.DnsEndPoint, cancellation);
        return new NetworkStream(socket, ownsSocket: true);
    }
}
