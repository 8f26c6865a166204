using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Testing;

namespace Lanyard.Identity.Tests.Federation;

/// <summary>A cache of key sets, its issuer and its database in this process.</summary>
public abstract class KeySetCacheTestBase : IDisposable
{
    private protected readonly ManualTime _time = new();
    private protected readonly SigningKey _first = SigningKey.Generate(SignatureAlgorithm.ES256);
    private protected readonly SigningKey _second = SigningKey.Generate(SignatureAlgorithm.ES256);
    private protected readonly Dictionary<string, KeptKeys> _database = [];
    private protected readonly TrustedIssuer _record = new() { Id = "ti_1", Issuer = "https://issuer.example" };
    private protected Func<TrustedIssuer, Task<Outcome<KeySet>>> _issuer = _ => throw new InvalidOperationException("not asked for yet");
    private protected readonly List<string> _alarms = [];
    private protected int _fetches;
    private protected int _loads;
    private protected int _lost;

    public void Dispose()
    {
        _first.Dispose();
        _second.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected void Publishes(params SigningKey[] keys) => _issuer = _ => Task.FromResult(Outcome.Of(KeySet.Of([.. keys.Select(k => k.Public)])));

    private protected void Fails() => _issuer = _ => Task.FromResult<Outcome<KeySet>>(new Refusal(RefusalReason.IssuerUnreachable, "down"));

    private protected Task<Outcome<KeySet>> Ask(KeySetCache cache, string keyId) => cache.GetAsync(_record, keyId, CancellationToken.None).AsTask();

    private protected KeySetCache Cache() => new(
        new KeyKeeping(
            (id, _) =>
            {
                Interlocked.Increment(ref _loads);
                return Task.FromResult(_database.GetValueOrDefault(id));
            },
            (issuer, keys, _) =>
            {
                _database[issuer.Id] = keys;
                return Task.CompletedTask;
            },
            _ => _lost++,
            (_, refusal) =>
            {
                _alarms.Add(refusal.Detail);
                return Task.CompletedTask;
            }),
        (issuer, _) =>
        {
            Interlocked.Increment(ref _fetches);
            return _issuer(issuer);
        },
        _time);
}
