using Lanyard.Identity.Federation;
using Lanyard.Server.Storage;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Federation;

/// <summary>Hears that trust changed or a token was revoked, on any replica, and makes every memory of it here be forgotten; sweeps what is expired.</summary>
internal sealed class TrustWatch(
    Database database, TrustDirectory trust, PolicyDirectory policies, KeySetCache keys, Doorkeeper door, TokenMemory memory, PushedKeyStore pushed, StaleKeys stale, Revocations withdrawn, TokenReviews reviews, TimeProvider time, ILogger<TrustWatch> log)
    : BackgroundService
{
    private static readonly TimeSpan SweepEvery = TimeSpan.FromMinutes(5);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var changes = database.Notifications.Subscribe(TrustRecordStore.Channel, _ => Forget());
        using var revocations = database.Notifications.Subscribe(TokenMemory.Channel, tokenId =>
        {
            if (tokenId is not null) memory.Note(tokenId);
            else _ = TryAsync(memory.LoadAsync, stoppingToken);
        });
        await TryAsync(memory.LoadAsync, stoppingToken);
        using var timer = new PeriodicTimer(SweepEvery, time);
        do
        {
            await TryAsync(memory.SweepAsync, stoppingToken);
            await TryAsync(pushed.SweepAsync, stoppingToken);
            await TryAsync(stale.SweepAsync, stoppingToken);
            await TryAsync(withdrawn.SweepAsync, stoppingToken);
            await TryAsync(reviews.SweepAsync, stoppingToken);
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private void Forget()
    {
        trust.Forget();
        policies.Forget();
        withdrawn.Forget();
        keys.ForgetAll();
        door.Forget();
    }

    private async Task TryAsync(Func<CancellationToken, Task> work, CancellationToken cancellation)
    {
        try
        {
            await work(cancellation);
        }
        catch (Exception e) when (e is System.Data.Common.DbException or TimeoutException)
        {
            log.WatchFailed(e);
        }
    }
}
