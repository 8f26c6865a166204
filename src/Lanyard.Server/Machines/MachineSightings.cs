using System.Collections.Concurrent;
using Lanyard.Server.Hosting;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Machines;

/// <summary>When machines were last seen: gathered in memory, written twice a minute. A killed server forgets half a minute of it.</summary>
internal sealed class MachineSightings(MachineStore store, TimeProvider time, ILogger<MachineSightings> logger) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(30);
    private const int Batch = 200;

    private ConcurrentDictionary<string, DateTimeOffset> _seen = new(StringComparer.Ordinal);

    public void Saw(string machine) => _seen[machine] = time.GetUtcNow();

    public async Task WriteAsync(CancellationToken cancellationToken)
    {
        var seen = Interlocked.Exchange(ref _seen, new(StringComparer.Ordinal));
        foreach (var some in seen.Keys.Chunk(Batch)) await store.SawAsync(some, time.GetUtcNow(), cancellationToken);
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Rounds.RepeatAsync("writing of when machines were seen", Pause, WriteAsync, time, logger, stoppingToken);
}
