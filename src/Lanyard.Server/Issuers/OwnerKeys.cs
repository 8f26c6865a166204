using System.Text;
using Lanyard.Identity.Jose;

namespace Lanyard.Server.Issuers;

/// <summary>The keys of one issuer at one moment: a value that never changes; a rotation makes a new one.</summary>
internal sealed class OwnerKeys
{
    private readonly Dictionary<SignatureAlgorithm, SigningKey> _active;

    public OwnerKeys(IReadOnlyList<StoredKey> keys, long loadedAt)
    {
        Stored = keys;
        LoadedAt = loadedAt;
        _active = keys.Where(k => k.Age.State == KeyStates.Active).ToDictionary(k => k.Key.Algorithm, k => k.Key);
        Public = KeySet.Of([.. keys.OrderBy(k => Rank(k.Age.State)).Select(k => k.Key.Public)]);
        Jwks = Encoding.UTF8.GetBytes(Public.ToJson());
    }

    public IReadOnlyList<StoredKey> Stored { get; }

    /// <summary><see cref="TimeProvider.GetTimestamp"/> when it was read.</summary>
    public long LoadedAt { get; }

    /// <summary>Everything published: active, next and retired.</summary>
    public KeySet Public { get; }

    /// <summary>The JWKS document, ready to send.</summary>
    public ReadOnlyMemory<byte> Jwks { get; }

    public SigningKey? Active(SignatureAlgorithm algorithm) => _active.GetValueOrDefault(algorithm);

    private static int Rank(string state) => state switch { KeyStates.Active => 0, KeyStates.Next => 1, _ => 2 };
}

internal sealed record StoredKey(SigningKey Key, KeyAge Age);
