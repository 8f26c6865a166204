using Microsoft.Extensions.Hosting;

namespace Lanyard.Server;

/// <summary>
/// Gives memory back when the server has become quiet. The runtime's collector looks when something is allocated, so what a busy time left lying would stay for as long as nobody wants
/// anything: a sixth of what 5,000 waiting runners cost. To look at all of it stops everything for one to three milliseconds a megabyte that is in use, so it is done only while hardly
/// anything happens, once after each busy time, and not where it would take most of a second.
/// </summary>
/// <param name="inUse">Bytes of the heap, with what nobody uses any more.</param>
/// <param name="allocated">Bytes since the process began.</param>
/// <param name="collect">Collects everything, and returns what is free to the system.</param>
internal sealed class QuietMemory(TimeProvider time, Func<long> inUse, Func<long> allocated, Action collect) : BackgroundService
{
    /// <summary>Allocated in a period: some dozens of requests.</summary>
    private const long Quiet = 2 * 1024 * 1024;

    /// <summary>Allocated since the last time: less leaves nothing worth a look.</summary>
    private const long Busy = 64 * 1024 * 1024;

    /// <summary>In use: with more, to look takes too long.</summary>
    private const long Most = 256 * 1024 * 1024;

    private static readonly TimeSpan Period = TimeSpan.FromSeconds(5);

    private long _lastSeen;
    private long _lastCollected;

    public static QuietMemory OfThisProcess(TimeProvider time) =>
        new(time, static () => GC.GetTotalMemory(forceFullCollection: false), static () => GC.GetTotalAllocatedBytes(),
            static () => GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true));

    /// <returns>Whether it collected.</returns>
    public bool Look()
    {
        var now = allocated();
        var since = now - _lastSeen;
        _lastSeen = now;
        if (since > Quiet || now - _lastCollected < Busy || inUse() > Most) return false;
        collect();
        _lastCollected = allocated();
        return true;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period, time);
        while (await timer.WaitForNextTickAsync(stoppingToken)) Look();
    }
}
