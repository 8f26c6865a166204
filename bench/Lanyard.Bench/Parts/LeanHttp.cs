using System.Buffers.Text;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Lanyard.Bench.Parts;

/// <summary>
/// One keep-alive connection that costs as little as can be: the load must not take the core that the server needs. One request at a time;
/// the answer's body is good until the next.
/// </summary>
internal sealed class LeanHttp : IDisposable
{
    private readonly Socket _socket;
    private byte[] _received = new byte[16 * 1024];
    private int _length;

    private LeanHttp(Socket socket) => _socket = socket;

    public static async Task<LeanHttp> ConnectAsync(Uri server)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, server.Port);
            return new(socket);
        }
        catch (SocketException)
        {
            socket.Dispose(); // 10,000 of them knock again and again while a server starts
            throw;
        }
    }

    public static byte[] Request(Uri server, string method, string path, string? bearer, string contentType, ReadOnlySpan<byte> body, params ReadOnlySpan<(string Name, string Value)> more)
    {
        var authorization = bearer is null ? "" : $"Authorization: Bearer {bearer}\r\n";
        var others = new StringBuilder();
        foreach (var (name, value) in more)
            others.Append(name).Append(": ").Append(value).Append("\r\n");
        var head = $"{method} {path} HTTP/1.1\r\nHost: {server.Authority}\r\n{authorization}{others}Content-Type: {contentType}\r\nContent-Length: {body.Length}\r\n\r\n";
        return [.. Encoding.ASCII.GetBytes(head), .. body];
    }

    /// <exception cref="InvalidOperationException">The status is not 2xx.</exception>
    public async Task<ReadOnlyMemory<byte>> SendAsync(ReadOnlyMemory<byte> request)
    {
        await _socket.SendAsync(request);
        _length = 0;
        while (true)
        {
            if (_length == _received.Length)
                Array.Resize(ref _received, _received.Length * 2);
            var read = await _socket.ReceiveAsync(_received.AsMemory(_length));
            if (read == 0)
                throw new InvalidOperationException("the server closed the connection");
            _length += read;
            if (BodyOf(_received.AsSpan(0, _length), out var start, out var length))
                return Status >= 300 ? throw new InvalidOperationException(Encoding.UTF8.GetString(_received, 0, _length)) : _received.AsMemory(start, length);
        }
    }

    public void Dispose() => _socket.Dispose();

    private int Status => Utf8Parser.TryParse(_received.AsSpan(9, 3), out int status, out _) ? status : 0;

    /// <summary>Whether the whole answer is there. Chunks are put together in place.</summary>
    private static bool BodyOf(Span<byte> answer, out int start, out int length)
    {
        length = 0;
        var end = answer.IndexOf("\r\n\r\n"u8);
        start = end + 4;
        if (end < 0)
            return false;
        var head = answer[..(end + 2)];
        var at = head.IndexOf("Content-Length: "u8);
        at = at < 0 ? head.IndexOf("content-length: "u8) : at;
        if (at >= 0)
            return Utf8Parser.TryParse(head[(at + 16)..], out length, out _) && answer.Length >= start + length;
        return answer.EndsWith("\r\n0\r\n\r\n"u8) && Join(answer[start..], out length);
    }

    private static bool Join(Span<byte> chunks, out int length)
    {
        length = 0;
        var at = 0;
        while (Utf8Parser.TryParse(chunks[at..], out int size, out var digits, 'x') && size > 0)
        {
            chunks.Slice(at + digits + 2, size).CopyTo(chunks[length..]);
            length += size;
            at += digits + 2 + size + 2;
        }
        return true;
    }
}
