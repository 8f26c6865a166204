namespace Lanyard.ClusterProxy.Upstream;

/// <summary>Idle connections, the youngest first. A new set of options drops the old ones' connections as they come back.</summary>
internal sealed class UpstreamPool(UpstreamOptions options, TimeProvider time) : IDisposable
{
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

    /// <param name="sure">The request can't be repeated: a pooled connection is looked at before it is used.</param>
    /// <param name="fresh">Don't take a pooled one.</param>
    /// <exception cref="UpstreamException">Unreachable.</exception>
    public ValueTask<UpstreamConnection> RentAsync(bool sure, bool fresh, CancellationToken cancellation)
    {
        while (!fresh && TryPop() is { } connection)
        {
            if (IsFresh(connection) && !(sure && connection.HasPendingInput))
            {
                return ValueTask.FromResult(connection);
            }

            connection.Dispose();
        }

        return _dialer.ConnectAsync(cancellation);
    }

    public void Return(UpstreamConnection connection)
    {
        if (connection.Buffered.Length > 0)
        {
            connection.Dispose();
            return;
        }

        connection.ReleaseBuffer();
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

    private void Clear()
    {
        while (TryPop() is { } connection)
        {
            connection.Dispose();
        }
    }

    private bool IsFresh(UpstreamConnection connection) => time.GetElapsedTime(connection.IdleSince) < _options.IdleTimeout;

    private UpstreamConnection? TryPop()
    {
        lock (_gate)
        {
            return _idle.TryPop(out var connection) ? connection : null;
        }
    }
}
