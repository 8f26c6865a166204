using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Machines;

/// <summary>When machines were last seen: gathered in memory, written twice a minute. A killed server forgets half a minute of it.</summary>
internal sealed partial class MachineSightings(MachineStore store, TimeProvider time, ILogger<MachineSightings> logger) : BackgroundService
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

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Pause, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await WriteAsync(stoppingToken);
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                NotWritten(logger, exception);
            }
        }
    }

    [LoggerMessage(LogLevel.Error, "When machines were last seen could not be written")]
    private static partial void NotWritten(ILogger logger, Exception exception);
}
