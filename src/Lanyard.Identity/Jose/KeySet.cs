using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;

namespace Lanyard.Identity.Jose;

public sealed record KeySetOptions
{
    public static KeySetOptions Default { get; } = new();

    public int MaxKeys { get; init; } = 100;

    /// <summary>A SPIFFE bundle: of its keys those for JWT-SVIDs, which must have a <c>kid</c> (SPIFFE Trust Domain and Bundle §4.2.2, JWT-SVID §6).</summary>
    public static KeySetOptions SpiffeBundle { get; } = new() { Use = "jwt-svid" };

    /// <summary>Bytes of the whole document.</summary>
    public int MaxSize { get; init; } = 1024 * 1024;

    /// <summary>The <c>use</c> of keys that are for us. A JWK may leave out <c>sig</c>, and no other.</summary>
    public string Use { get; init; } = JwkReader.SignatureUse;
}

/// <summary>
/// A JWKS (RFC 7517 §5), loaded once and never changed. Keys that are not for us (types, curves, algorithms, uses that we do not have) are
/// skipped with a note, because issuers publish encryption keys beside signing keys. The whole set is refused for a key that nobody should
/// use (weak, malformed, private, symmetric), for two keys with one <c>kid</c>, and when no usable key is left: an issuer that publishes such a
/// thing is not in order, and the keys known before stay in force.
/// </summary>
public sealed class KeySet
{
    private KeySet(IReadOnlyList<VerificationKey> keys, IReadOnlyList<string> notes)
    {
        Keys = keys;
        Notes = notes;
    }

    /// <summary><c>spiffe_sequence</c> of a bundle: a lower one is an older bundle. Null: it has none.</summary>
    public long? Sequence { get; private init; }

    /// <summary><c>spiffe_refresh_hint</c> of a bundle: how soon to look again. Null: it has none.</summary>
    public TimeSpan? RefreshHint { get; private init; }

    public IReadOnlyList<VerificationKey> Keys { get; }

    /// <summary>What was skipped and why, one line a key.</summary>
    public IReadOnlyList<string> Notes { get; }

    public static KeySet Of(params IReadOnlyList<VerificationKey> keys) => new([.. keys], []);

    public static Outcome<KeySet> Parse(ReadOnlySpan<byte> jwks, KeySetOptions? options = null)
    {
        options ??= KeySetOptions.Default;
        if (jwks.Length > options.MaxSize)
        {
            return Malformed($"more than {options.MaxSize} bytes");
        }

        try
        {
            using var document = JsonDocument.Parse(jwks.ToArray(), new JsonDocumentOptions { MaxDepth = 8, AllowDuplicateProperties = false });
            return Read(document.RootElement, options);
        }
        catch (JsonException e)
        {
            return Malformed($"not JSON, or a member stands twice ({e.Message})");
        }
    }

    public static Outcome<KeySet> Parse(string jwks, KeySetOptions? options = null) => Parse(Encoding.UTF8.GetBytes(jwks), options);

    public bool Contains(string keyId) => TryFind(Encoding.UTF8.GetBytes(keyId), out _);

    public VerificationKey? Find(string keyId) => TryFind(Encoding.UTF8.GetBytes(keyId), out var key) ? key : null;

    public VerificationKey? Find(ReadOnlySpan<byte> keyIdUtf8) => TryFind(keyIdUtf8, out var key) ? key : null;

    /// <summary>The canonical public JWKS: members in a fixed order, nothing but what verification needs.</summary>
    public string ToJson()
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteStartArray("keys"u8);
            foreach (var key in Keys)
            {
                key.WriteTo(writer);
            }

            writer.WriteEndArray();
            if (Sequence is { } sequence)
            {
                writer.WriteNumber("spiffe_sequence"u8, sequence);
            }

            if (RefreshHint is { } hint)
            {
                writer.WriteNumber("spiffe_refresh_hint"u8, (long)hint.TotalSeconds);
            }

            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    /// <summary>The keys of both, the first's first; a key of <paramref name="other"/> whose <c>kid</c> is already here is left out.</summary>
    public KeySet With(KeySet other)
    {
        ArgumentNullException.ThrowIfNull(other);
        var keys = new List<VerificationKey>(Keys);
        foreach (var key in other.Keys)
        {
            if (key.KeyId is null ? !keys.Exists(k => k.Thumbprint == key.Thumbprint) : !Contains(key.KeyId))
            {
                keys.Add(key);
            }
        }

        return new KeySet(keys, [.. Notes, .. other.Notes]) { Sequence = Sequence, RefreshHint = RefreshHint };
    }

    private bool TryFind(ReadOnlySpan<byte> keyIdUtf8, [NotNullWhen(true)] out VerificationKey? found)
    {
        // By index: an enumerator of the interface would be an object for each token.
        for (var i = 0; i < Keys.Count; i++)
        {
            if (Keys[i].KeyId is not null && Keys[i].KeyIdUtf8.SequenceEqual(keyIdUtf8))
            {
                found = Keys[i];
                return true;
            }
        }

        found = null;
        return false;
    }

    private static Outcome<KeySet> Read(JsonElement root, KeySetOptions options)
    {
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("keys", out var array) || array.ValueKind != JsonValueKind.Array)
        {
            return Malformed("no \"keys\" array");
        }

        if (array.GetArrayLength() > options.MaxKeys)
        {
            return Malformed($"more than {options.MaxKeys} keys");
        }

        var keys = new List<VerificationKey>();
        var notes = new List<string>();
        var keyIds = new HashSet<string>(StringComparer.Ordinal);
        var index = 0;
        foreach (var jwk in array.EnumerateArray())
        {
            var outcome = JwkReader.Read(jwk, options.Use, out var notForUs);
            if (outcome.TryGet(out var key, out var refusal))
            {
                keys.Add(key);
            }
            else if (!notForUs)
            {
                return refusal with { Detail = $"key {index}: {refusal.Detail}" };
            }
            else
            {
                notes.Add($"key {index} skipped: {refusal.Detail}");
            }

            if (jwk.TryGetProperty("kid", out var keyId) && keyId.ValueKind == JsonValueKind.String && !keyIds.Add(keyId.GetString()!))
            {
                return Malformed($"two keys with the kid of key {index}");
            }

            index++;
        }

        if (keys.Count == 0)
        {
            return Malformed($"no usable key of {index}: {string.Join("; ", notes)}");
        }

        var isRead = TryReadNumber(root, "spiffe_sequence", out var sequence) & TryReadNumber(root, "spiffe_refresh_hint", out var hint);
        if (!isRead && options.Use != JwkReader.SignatureUse)
        {
            return Malformed("spiffe_sequence and spiffe_refresh_hint must be integers that are not negative");
        }

        // A hint is no order: what it says is bounded where it is used, and here so that it is a time at all.
        return new KeySet(keys, notes) { Sequence = sequence, RefreshHint = hint is { } seconds ? TimeSpan.FromSeconds(Math.Min(seconds, int.MaxValue)) : null };
    }

    private static bool TryReadNumber(JsonElement root, string name, out long? number)
    {
        number = null;
        if (!root.TryGetProperty(name, out var member))
        {
            return true;
        }

        var isNumber = member.ValueKind == JsonValueKind.Number && member.TryGetInt64(out var value) && value >= 0;
        number = isNumber ? member.GetInt64() : null;
        return isNumber;
    }

    private static Refusal Malformed(string detail) => new(RefusalReason.KeySetMalformed, $"key set: {detail}");
}
