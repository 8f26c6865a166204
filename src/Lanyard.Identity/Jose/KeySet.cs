using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;

namespace Lanyard.Identity.Jose;

public sealed record KeySetOptions
{
    public static KeySetOptions Default { get; } = new();

    public int MaxKeys { get; init; } = 100;

    /// <summary>Bytes of the whole document.</summary>
    public int MaxSize { get; init; } = 1024 * 1024;
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

        return new KeySet(keys, [.. Notes, .. other.Notes]);
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
            var outcome = JwkReader.Read(jwk, out var notForUs);
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

        return keys.Count == 0 ? Malformed($"no usable key of {index}: {string.Join("; ", notes)}") : new KeySet(keys, notes);
    }

    private static Refusal Malformed(string detail) => new(RefusalReason.KeySetMalformed, $"key set: {detail}");
}
