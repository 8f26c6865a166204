using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;

namespace Lanyard.Testing.Installations;

/// <summary>
/// A loopback listener that steps in real sandboxes talk to with bash's <c>/dev/tcp</c>: one connection, one line, one line back. Tokens come
/// out this way, because the runner masks them in the log.
/// </summary>
public sealed class StepMailbox : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Channel<StepMessage> _messages = Channel.CreateUnbounded<StepMessage>();
    private readonly Task _accepting;

    public StepMailbox()
    {
        _listener.Start();
        _accepting = AcceptAsync();
    }

    private int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Bash that says <paramref name="words"/> (a word of bash, such as <c>"at $x"</c>) and waits for the answer, which is then in <c>$answer</c>.</summary>
    public string Say(string words) => $"exec 3<>/dev/tcp/127.0.0.1/{Port}; printf '%s\\n' {words} >&3; IFS= read -r answer <&3; exec 3>&-; ";

    /// <summary>The next message of any step, for 60 s unless told.</summary>
    public async Task<StepMessage> ReceiveAsync(TimeSpan? deadline = null)
    {
        using var limit = new CancellationTokenSource(deadline ?? TimeSpan.FromSeconds(60));
        try
        {
            return await _messages.Reader.ReadAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException("No step said anything in time.");
        }
    }

    /// <summary>Takes messages that nobody awaits, such as those of steps that were killed.</summary>
    public int Drain()
    {
        var count = 0;
        while (_messages.Reader.TryRead(out _)) count++;
        return count;
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _accepting;
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var connection = await _listener.AcceptTcpClientAsync();
                _ = ReadAsync(connection);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // The listener was closed.
        }
    }

    private async Task ReadAsync(TcpClient connection)
    {
        try
        {
            var reader = new StreamReader(connection.GetStream());
            if (await reader.ReadLineAsync() is { } line) _messages.Writer.TryWrite(new StepMessage(connection, line));
        }
        catch (IOException)
        {
            // The step was killed while it spoke.
        }
    }
}
