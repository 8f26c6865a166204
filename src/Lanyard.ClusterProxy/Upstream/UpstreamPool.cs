namespace Lanyard.ClusterProxy.Upstream;

/// <summary>Idle connections, the youngest first. A new set of options drops the old ones' connections as they come back.</summary>
internal sealed class UpstreamPool(UpstreamOptions options, TimeProvider time) : IDisposable
{
    /// <summary>A connection that rested for longer is looked at before it is used, one system call; under load the youngest rest for far less, and cost nothing.</summary>
    internal static readonly TimeSpan Unseen = TimeSpan.FromMilliseconds(250);

    private readonly Lock _gate = new();
    private readonly Stack<UpstreamConnection> _idle = new();
    private UpstreamOptions _options = options;
    private UpstreamDialer _dialer = new(options, time, 0);
    private int _generation;
    private bool _disposed;

    /// <summary>From now on other addresses, trust or client certificate. Exchanges that run go on as they are.</summary>
    public void Replace(UpstreamOptions options)
    {
        lock (_gate)
        {
            _generation++;
            _options = options;
            _dialer = new UpstreamDialer(options, time, _generation);
        }

        Clear();
    }

    /// <param name="sure">The request can't be repeated: a pooled connection is looked at before it is used, however young.</param>
    /// <param name="fresh">Don't take a pooled one.</param>
    /// <exception cref="UpstreamException">Unreachable.</exception>
    public ValueTask<UpstreamConnection> RentAsync(bool sure, bool fresh, CancellationToken cancellation)
    {
        while (!fresh && TryPop() is { } connection)
        {
            var rested = time.GetElapsedTime(connection.IdleSince);
            if (IsFresh(connection, rested) && !((sure || rested > Unseen) && connection.HasPendingInput))
            {
                return ValueTask.FromResult(connection);
            }

            connection.Dispose();
        }

        return _dialer.ConnectAsync(cancellation);
    }

    /// <summary>Asks every address on a connection of its own; those that answer badly are used last until they answer well.</summary>
    /// <param name="head">A bodyless request.</param>
    /// <param name="changed">Address, whether it is up, and why not.</param>
    public async Task ProbeAsync(ReadOnlyMemory<byte> head, Action<string, bool, string> changed, CancellationToken cancellation)
    {
        UpstreamDialer dialer;
        TimeSpan patience;
        lock (_gate)
        {
            (dialer, patience) = (_dialer, _options.ConnectTimeout);
        }

        await Parallel.ForAsync(0, dialer.Count, cancellation, async (index, stop) =>
        {
            var fault = await ProbeAsync(dialer, index, head, patience, stop);
            if (dialer.Mark(index, fault is null, UpstreamHealth.Period * 3))
            {
                changed(dialer.Name(index), fault is null, fault ?? "");
            }
        });
    }

    public void Return(UpstreamConnection connection)
    {
        if (connection.Buffered.Length > 0)
        {
            connection.Dispose();
            return;
        }

        connection.Rest();
        connection.IsReused = true;
        connection.IdleSince = time.GetTimestamp();
        lock (_gate)
        {
            if (!_disposed && connection.Generation == _generation && _idle.Count < _options.MaxIdle)
            {
                _idle.Push(connection);
                return;
            }
        }

        connection.Dispose();
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
        }

        Clear();
    }

    private async ValueTask<string?> ProbeAsync(UpstreamDialer dialer, int index, ReadOnlyMemory<byte> head, TimeSpan patience, CancellationToken cancellation)
    {
        using var deadline = new CancellationTokenSource(patience, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellation);
        try
        {
            using var connection = await dialer.ConnectAsync(index, both.Token);
            await using var abort = both.Token.UnsafeRegister(static c => ((UpstreamConnection)c!).Abort(), connection);
            await connection.WriteAsync(head);
            var answer = await connection.ReadHeadAsync(answersHead: false);

            // Any answer of a running API server will do, 401 and 403 too: only 5xx says that it can't serve.
            return answer.Status < 500 ? null : $"answered {answer.Status}";
        }
        catch (Exception e) when (e is UpstreamException or System.Net.Sockets.SocketException or IOException or TimeoutException or OperationCanceledException
            or System.Security.Authentication.AuthenticationException)
        {
            return e.Message;
        }
    }

    private void Clear()
    {
        while (TryPop() is { } connection)
        {
            connection.Dispose();
        }
    }

    private bool IsFresh(UpstreamConnection connection, TimeSpan rested) =>
        rested < _options.IdleTimeout && (_dialer.Count == 1 || connection.Generation != _generation || !_dialer.IsDown(connection.Address));

    private UpstreamConnection? TryPop()
    {
        lock (_gate)
        {
            return _idle.TryPop(out var connection) ? connection : null;
        }
    }
}
