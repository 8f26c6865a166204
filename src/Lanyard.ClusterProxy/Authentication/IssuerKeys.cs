using System.Collections.Concurrent;
using Lanyard.Identity;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary>
/// The keys of the configured issuers: fetched at the start and looked at every minute, so that a withdrawn key is noticed although remembered
/// tokens ask for none.
/// </summary>
internal sealed class IssuerKeys : IDisposable
{
    /// <summary>Asking costs no fetch of its own; only the waiting is bounded.</summary>
    private const int AskedAtOnce = 64;
    private static readonly TimeSpan Period = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly ConcurrentDictionary<string, string> _seen = new(StringComparer.Ordinal);
    private readonly KeySetCache _cache;
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private readonly int _mostWaiting;
    private IReadOnlyList<TrustedIssuer> _issuers = [];
    private int _waiting;

    /// <param name="mostWaiting">Requests that may wait at once for an issuer that is being asked.</param>
    public IssuerKeys(TimeProvider time, int mostWaiting = int.MaxValue)
    {
        (_time, _mostWaiting) = (time, mostWaiting);
        _cache = new KeySetCache(new KeyKeeping((_, _) => Task.FromResult<KeptKeys?>(null), Saw), new DiscoveryClient(time).FetchAsync, time);
        _timer = time.CreateTimer(_ => Refresh(), null, Period, Period);
    }

    /// <summary>Called when an issuer's keys are others than before: what was judged by the old ones must be judged anew.</summary>
    public Action Changed { get; set; } = () => { };

    /// <summary>These issuers from now on. Fetching begins and is not waited for.</summary>
    public void Use(IReadOnlyList<TrustedIssuer> issuers)
    {
        Volatile.Write(ref _issuers, issuers);
        Refresh();
    }

    /// <summary>
    /// A token with a key id that nobody knows waits while its issuer is asked, and anybody can write one: of an issuer that is slow to answer they would take every request's place, also that of the tokens
    /// whose keys are known.
    /// </summary>
    public ValueTask<Outcome<KeySet>> GetAsync(TrustedIssuer issuer, string? keyId, CancellationToken cancellation)
    {
        var asked = _cache.GetAsync(issuer, keyId, cancellation);
        return asked.IsCompleted ? asked : WaitAsync(asked);
    }

    /// <summary>
    /// For each issuer null when its keys are known, else why not. All are asked at once, and none for longer than
    /// <see cref="Patience"/>: a probe must not wait for the slowest of 64 issuers.
    /// </summary>
    public async Task<IReadOnlyList<(string Issuer, Refusal? Missing)>> StateAsync(CancellationToken cancellation)
    {
        var issuers = Volatile.Read(ref _issuers);
        var states = new (string, Refusal?)[issuers.Count];
        await Parallel.ForEachAsync(
            Enumerable.Range(0, issuers.Count),
            new ParallelOptions { MaxDegreeOfParallelism = AskedAtOnce, CancellationToken = cancellation },
            async (i, stop) => states[i] = (issuers[i].Issuer, await MissingAsync(issuers[i], stop)));
        return states;
    }

    private async Task<Refusal?> MissingAsync(TrustedIssuer issuer, CancellationToken cancellation)
    {
        try
        {
            var keys = await _cache.GetAsync(issuer, null, cancellation).AsTask().WaitAsync(Patience, _time, cancellation);
            return keys.IsRefused ? keys.Refusal : null;
        }
        catch (TimeoutException)
        {
            return new Refusal(RefusalReason.IssuerUnreachable, $"no keys of {issuer.Issuer} within {Patience.TotalSeconds} s");
        }
    }

    public void Dispose() => _timer.Dispose();

    private async ValueTask<Outcome<KeySet>> WaitAsync(ValueTask<Outcome<KeySet>> asked)
    {
        try
        {
            return Interlocked.Increment(ref _waiting) > _mostWaiting ? new Refusal(RefusalReason.TooManyRequests, $"over {_mostWaiting} requests wait for issuers' keys") : await asked;
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }

    private void Refresh()
    {
        foreach (var issuer in Volatile.Read(ref _issuers))
        {
            // An empty key id asks for any: it fetches where none is known, and anew where they are old. What comes of it is kept in the cache.
            _ = _cache.GetAsync(issuer, "", CancellationToken.None).AsTask();
        }
    }

    private Task Saw(TrustedIssuer issuer, KeptKeys keys, CancellationToken cancellation)
    {
        var before = _seen.GetValueOrDefault(issuer.Id);
        _seen[issuer.Id] = keys.Jwks;
        if (before is not null && before != keys.Jwks)
        {
            Changed();
        }

        return Task.CompletedTask;
    }
}
