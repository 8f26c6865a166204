using System.Threading.Channels;
using Lanyard.Identity.Federation;
using Lanyard.Server.Hosting;
using Lanyard.Server.Storage;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Federation;

/// <summary>
/// Hears that trust changed or a token was revoked, on any replica, and makes every memory of it here be forgotten, also while it is not certain that it would hear; sweeps what is expired.
/// </summary>
internal sealed class TrustWatch(
    Database database, TrustDirectory trust, PolicyDirectory policies, KeySetCache keys, Doorkeeper door, TokenMemory memory, PushedKeyStore pushed, StaleKeys stale, Revocations withdrawn, TokenReviews reviews, TimeProvider time, ILogger<TrustWatch> log)
    : BackgroundService
{
    private static readonly TimeSpan SweepEvery = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);

    /// <summary>That what is revoked is to be read; one mark is enough for any number of reasons.</summary>
    private readonly Channel<bool> _wanted = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    private IDisposable? _changes;
    private IDisposable? _revocations;

    /// <summary>What is revoked is known before the first request is served.</summary>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        _changes = database.Notifications.Subscribe(TrustRecordStore.Channel, _ => Forget());
        _revocations = database.Notifications.Subscribe(TokenMemory.Channel, tokenId =>
        {
            if (tokenId is not null) memory.Note(tokenId);
            else _wanted.Writer.TryWrite(true);
        });
        database.Notifications.Doubted += Doubt;
        if (!await LoadOnceAsync(cancellationToken)) _wanted.Writer.TryWrite(true);
        await base.StartAsync(cancellationToken);
    }

    public override void Dispose()
    {
        database.Notifications.Doubted -= Doubt;
        _changes?.Dispose();
        _revocations?.Dispose();
        base.Dispose();
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(
        LoadAsync(stoppingToken),
        SweepAsync("tokens", memory.SweepAsync, stoppingToken),
        SweepAsync("pushed keys", pushed.SweepAsync, stoppingToken),
        SweepAsync("stale keys", stale.SweepAsync, stoppingToken),
        SweepAsync("revocations", withdrawn.SweepAsync, stoppingToken),
        SweepAsync("token reviews", reviews.SweepAsync, stoppingToken));

    /// <summary>Whenever some revocation may have been missed, and until it succeeds: a revoked token must not stay good because the database was away for a moment.</summary>
    private async Task LoadAsync(CancellationToken stoppingToken)
    {
        while (await _wanted.Reader.WaitToReadAsync(stoppingToken))
        {
            _wanted.Reader.TryRead(out _);
            while (!await LoadOnceAsync(stoppingToken)) await Task.Delay(Retry, time, stoppingToken);
        }
    }

    private Task SweepAsync(string what, Func<CancellationToken, Task> sweep, CancellationToken stoppingToken) =>
        Rounds.RepeatAsync($"sweep of {what}", SweepEvery, sweep, time, log, stoppingToken, isAtOnce: true);

    private void Forget()
    {
        ForgetJudged();
        keys.ForgetAll();
    }

    /// <summary>Keys are kept: issuers would be asked for them again for as long as it lasts.</summary>
    private void Doubt()
    {
        ForgetJudged();
        _wanted.Writer.TryWrite(true);
    }

    private void ForgetJudged()
    {
        trust.Forget();
        policies.Forget();
        withdrawn.Forget();
        door.Forget();
    }

    private Task<bool> LoadOnceAsync(CancellationToken cancellation) => Rounds.TryAsync("reading of what is revoked", memory.LoadAsync, log, cancellation);
}
