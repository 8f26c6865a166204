namespace Lanyard.Server.Cache;

/// <summary>
/// Rules of keys and versions. The service compares keys without regard to case and answers with the spelling that was stored; versions are
/// opaque and compared exactly.
/// </summary>
internal static class CacheKeys
{
    public const int MaxLength = 512;
    public const int MaxKeys = 10;

    /// <summary>Sorts behind every key: what begins with a prefix lies between the prefix and the prefix followed by this.</summary>
    public const string Highest = "\U0010FFFF";

    /// <returns>What is wrong with a key, for its sender; null when it is good.</returns>
    public static string? MistakeInKey(string key)
    {
        if (key.Length == 0) return "key is missing";
        if (key.Length > MaxLength) return $"key is longer than {MaxLength} characters";
        if (key.Contains(',', StringComparison.Ordinal)) return "key has a comma";
        return HasOddCharacters(key) ? "key has a control character" : null;
    }

    public static string? MistakeInVersion(string version)
    {
        if (version.Length == 0) return "version is missing";
        if (version.Length > MaxLength) return $"version is longer than {MaxLength} characters";
        return HasOddCharacters(version) ? "version has a control character" : null;
    }

    /// <returns>What is wrong with the keys of a look-up; null when they are good.</returns>
    public static string? MistakeInKeys(IReadOnlyList<string> keys)
    {
        if (keys.Count == 0) return "key is missing";
        return keys.Count > MaxKeys ? $"more than {MaxKeys} keys" : keys.Select(MistakeInKey).FirstOrDefault(static mistake => mistake is not null);
    }

    /// <summary>The form in which keys are compared.</summary>
    public static string Fold(string key) => key.ToLowerInvariant();

    /// <summary>Control characters, halves of surrogate pairs, and what is used as the upper end of prefixes.</summary>
    private static bool HasOddCharacters(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsControl(text[i])) return true;
            if (!char.IsSurrogate(text[i])) continue;
            if (i + 1 >= text.Length || !char.IsSurrogatePair(text[i], text[i + 1]) || char.ConvertToUtf32(text[i], text[i + 1]) == 0x10FFFF) return true;
            i++;
        }

        return false;
    }
}
