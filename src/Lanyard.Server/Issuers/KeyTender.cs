using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Issuers;

/// <summary>Looks every hour at what the schedule says is due. The schedule's steps are days apart; an hour's delay is nothing to them.</summary>
internal sealed class KeyTender(KeyRing ring, TimeProvider time, ILogger<KeyTender> log) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromHours(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await ring.TendAllAsync(stoppingToken);
            }
            catch (Exception e) when (e is System.Data.Common.DbException or TimeoutException)
            {
                log.TendFailed(e);
            }
        }
    }
}

internal static partial class IssuersLog
{
    [LoggerMessage(LogLevel.Error, "Signing keys could not be tended; tried again in an hour")]
    public static partial void TendFailed(this ILogger logger, Exception exception);
}
