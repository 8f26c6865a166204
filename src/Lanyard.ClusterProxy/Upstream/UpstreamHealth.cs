using Microsoft.Extensions.Logging;

namespace Lanyard.ClusterProxy.Upstream;

/// <summary>Looks after several addresses of one API server: each is asked every few seconds, so that a sick one is left before a request finds out.</summary>
internal sealed class UpstreamHealth : IDisposable
{
    public static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    private readonly CancellationTokenSource _stop = new();
    private readonly UpstreamPool _pool;
    private readonly Func<byte[]> _head;
    private readonly ILogger _log;
    private readonly ITimer _timer;
    private int _busy;

    /// <param name="head">Makes the request, with the credential of the moment.</param>
    public UpstreamHealth(UpstreamPool pool, Func<byte[]> head, TimeProvider time, ILogger log)
    {
        (_pool, _head, _log) = (pool, head, log);
        _timer = time.CreateTimer(_ => _ = LookAsync(), null, Period, Period);
    }

    public void Dispose()
    {
        _timer.Dispose();
        _stop.Cancel();
        _stop.Dispose();
    }

    private async Task LookAsync()
    {
        if (Interlocked.Exchange(ref _busy, 1) == 1)
        {
            return;
        }

        try
        {
            await _pool.ProbeAsync(_head(), Changed, _stop.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
        {
            // The proxy stops.
        }
        finally
        {
            Volatile.Write(ref _busy, 0);
        }
    }

    private void Changed(string address, bool isUp, string why)
    {
        if (isUp)
        {
            _log.AddressUp(address);
        }
        else
        {
            _log.AddressDown(address, why);
        }
    }
}
