using System.Net.Security;
using System.Net.Sockets;
using System.Text;

namespace Lanyard.Testing.Sockets;

/// <summary>A request or answer head as it stood on the wire: nothing joined, nothing reordered.</summary>
/// <param name="HeaderLines">Each line as sent, without its line break.</param>
public sealed record RawHead(string StartLine, IReadOnlyList<string> HeaderLines)
{
    public IEnumerable<string> Values(string name) =>
        HeaderLines.Where(l => l.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase)).Select(l => l[(name.Length + 1)..].Trim());

    public string? Value(string name) => Values(name).SingleOrDefault();
}

/// <summary>One side of a TCP or TLS connection, spoken by hand. Every wait has a deadline of 20 s.</summary>
public sealed class RawConnection(Socket socket, Stream stream) : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);
    private readonly byte[] _one = new byte[1];

    public Stream Stream => stream;

    /// <returns>Null when the other side closed before a byte came.</returns>
    public async Task<RawHead?> ReadHeadAsync()
    {
        var bytes = new List<byte>();
        while (bytes.Count < 4 || !Ends(bytes))
        {
            if (await ReadAsync(_one) == 0)
            {
                return bytes.Count == 0 ? null : throw new IOException($"closed within a head: {Encoding.Latin1.GetString([.. bytes])}");
            }

            bytes.Add(_one[0]);
        }

        var lines = Encoding.Latin1.GetString([.. bytes])[..^4].Split("\r\n");
        return new RawHead(lines[0], lines[1..]);
    }

    public async Task<string> ReadExactlyAsync(int count)
    {
        var bytes = new byte[count];
        for (var read = 0; read < count;)
        {
            var n = await ReadAsync(bytes.AsMemory(read));
            read += n > 0 ? n : throw new IOException($"closed after {read} of {count} bytes");
        }

        return Encoding.Latin1.GetString(bytes);
    }

    public async Task<string> ReadToEndAsync()
    {
        var all = new MemoryStream();
        var buffer = new byte[4096];
        for (int n; (n = await ReadAsync(buffer)) > 0;)
        {
            all.Write(buffer, 0, n);
        }

        return Encoding.Latin1.GetString(all.ToArray());
    }

    /// <summary>The body that the head declares, chunks as they stood on the wire.</summary>
    public async Task<string> ReadBodyAsync(RawHead head)
    {
        if (head.Value("Content-Length") is { } length)
        {
            return await ReadExactlyAsync(int.Parse(length, System.Globalization.CultureInfo.InvariantCulture));
        }

        var text = new StringBuilder();
        if (head.Value("Transfer-Encoding") is not null)
        {
            while (!text.ToString().EndsWith("0\r\n\r\n", StringComparison.Ordinal)
                && !(text.ToString().Contains("\r\n0\r\n", StringComparison.Ordinal) && text.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal)))
            {
                text.Append(await ReadExactlyAsync(1));
            }
        }

        return text.ToString();
    }

    public async Task WriteAsync(string latin1)
    {
        await stream.WriteAsync(Encoding.Latin1.GetBytes(latin1));
        await stream.FlushAsync();
    }

    /// <summary>Sends FIN (after close_notify on TLS) and goes on reading.</summary>
    public async Task ShutdownSendAsync()
    {
        if (stream is SslStream tls)
        {
            await tls.ShutdownAsync();
        }

        socket.Shutdown(SocketShutdown.Send);
    }

    /// <summary>RST, not FIN.</summary>
    public void Reset()
    {
        socket.LingerState = new LingerOption(true, 0);
        socket.Dispose();
    }

    public void Dispose()
    {
        stream.Dispose();
        socket.Dispose();
    }

    private static bool Ends(List<byte> bytes) => bytes[^1] == '\n' && bytes[^2] == '\r' && bytes[^3] == '\n' && bytes[^4] == '\r';

    private async Task<int> ReadAsync(Memory<byte> into) => await stream.ReadAsync(into).AsTask().WaitAsync(Deadline);
}
