using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Cache.Blobs;

/// <summary>
/// Ends an upload with its reservation, also where that was taken away on whatever replica (deleted, quarantined, given to another): nothing can come of the body any more, and
/// meanwhile what it announced takes the quotas' room from others. Whoever asks for the reservation again renews it, and the upload goes on.
/// </summary>
internal sealed class ReservationWatch : IAsyncDisposable
{
    /// <summary>Most uploads are over before that, and ask nothing.</summary>
    public static readonly TimeSpan Look = TimeSpan.FromSeconds(10);

    private readonly CacheEntryStore _entries;
    private readonly CacheEntry _entry;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop;
    private readonly CancellationTokenSource _done = new();
    private readonly Task _watching;

    public ReservationWatch(CacheEntryStore entries, CacheEntry entry, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        (_entries, _entry, _time, _logger) = (entries, entry, time, logger);
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _watching = WatchAsync();
    }

    /// <summary>Canceled with the request too.</summary>
    public CancellationToken Token => _stop.Token;

    public bool IsOver { get; private set; }

    public async ValueTask DisposeAsync()
    {
        await _done.CancelAsync();
        await _watching;
        _done.Dispose();
        _stop.Dispose();
    }

    private async Task WatchAsync()
    {
        try
        {
            for (var until = _entry.PendingUntil; until > _time.GetUtcNow(); )
            {
                var left = until - _time.GetUtcNow();
                await Task.Delay(left < Look ? left : Look, _time, _done.Token);
                if (await _entries.FindByBlobAsync(_entry.WorkspaceId, _entry.Blob, _done.Token) is not { State: CacheStates.Pending } now) break;
                until = now.PendingUntil;
            }
        }
        catch (OperationCanceledException)
        {
            return;
        }
        catch (Exception exception)
        {
            // Who can't ask does not go on for ever.
            _logger.WatchFailed(exception);
        }

        IsOver = true;
        await _stop.CancelAsync();
    }
}
