using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Lanyard.Testing.Sockets;

/// <summary>
/// What stands before one or several replicas: one address, whose connections go to the replica of the moment. A connection ends with its replica. It can
/// hold calls back on their way there, so that a test catches its caller between two of them.
/// </summary>
public sealed class SwitchingFront : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentDictionary<Task, bool> _connections = new();
    private readonly CancellationTokenSource _end = new();
    private readonly Task _accepting;
    private volatile Hold? _hold;
    private int _target;

    public SwitchingFront()
    {
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Port of the replica that new connections go to.</summary>
    public int Target
    {
        get => Volatile.Read(ref _target);
        set => Volatile.Write(ref _target, value);
    }

    /// <summary>From now on calls whose request line contains the words stay here, and everything behind them on their connection.</summary>
    /// <returns>Completes when the first of them has come.</returns>
    public Task HoldAsync(string words)
    {
        var hold = new Hold(System.Text.Encoding.ASCII.GetBytes(words));
        _hold = hold;
        return hold.Came.Task;
    }

    /// <summary>What is held is lost, and its connection with it; nothing more is held.</summary>
    public void LoseHeld()
    {
        _hold?.Over.TrySetCanceled();
        _hold = null;
    }

    public async ValueTask DisposeAsync()
    {
        LoseHeld();
        await _end.CancelAsync();
        _listener.Dispose();
        await _accepting;
        await Task.WhenAll(_connections.Keys);
        _end.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_end.Token);
                var serving = ServeAsync(client);
                _connections[serving] = true;
                _ = serving.ContinueWith(done => _connections.TryRemove(done, out _), TaskScheduler.Default);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var upstream = new TcpClient();
        try
        {
            await upstream.ConnectAsync(IPAddress.Loopback, Target, _end.Token);
            await Task.WhenAny(ForwardAsync(client, upstream), CopyAsync(upstream, client));
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or SocketException)
        {
            // One side is gone: so is the connection.
        }
        finally
        {
            client.Dispose();
        }
    }

    private async Task ForwardAsync(TcpClient client, TcpClient upstream)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (await client.GetStream().ReadAsync(buffer, _end.Token) is > 0 and var read)
            {
                if (_hold is { } hold && buffer.AsSpan(0, read).IndexOf(hold.Words) >= 0)
                {
                    hold.Came.TrySetResult();
                    await hold.Over.Task.WaitAsync(_end.Token);
                }

                await upstream.GetStream().WriteAsync(buffer.AsMemory(0, read), _end.Token);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // The other direction ends with it.
        }
    }

    private async Task CopyAsync(TcpClient from, TcpClient to)
    {
        try
        {
            await from.GetStream().CopyToAsync(to.GetStream(), _end.Token);
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // The other direction ends with it.
        }
    }

    private sealed record Hold(byte[] Words)
    {
        public TaskCompletionSource Came { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Over { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
