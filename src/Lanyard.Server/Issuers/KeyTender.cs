using Lanyard.Server.Hosting;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Issuers;

/// <summary>Looks every hour at what the schedule says is due. The schedule's steps are days apart; an hour's delay is nothing to them.</summary>
internal sealed class KeyTender(KeyRing ring, TimeProvider time, ILogger<KeyTender> log) : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Rounds.RepeatAsync("tending of signing keys", TimeSpan.FromHours(1), ring.TendAllAsync, time, log, stoppingToken);
}
