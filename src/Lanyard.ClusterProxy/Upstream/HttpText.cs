using System.Buffers;

namespace Lanyard.ClusterProxy.Upstream;

/// <summary>The few rules of RFC 9110 §5.6 that heads need, over bytes.</summary>
internal static class HttpText
{
    /// <summary>tchar of RFC 9110 §5.6.2.</summary>
    public static readonly SearchValues<byte> Token =
        SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    private static readonly SearchValues<byte> NotInValue = SearchValues.Create(Controls());

    public static bool Equal(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right) =>
        left.Length == right.Length && System.Text.Ascii.EqualsIgnoreCase(left, right);

    public static bool IsToken(ReadOnlySpan<byte> name) => name.Length > 0 && !name.ContainsAnyExcept(Token);

    /// <summary>No control character except tab. Bytes over 0x7f are allowed (obs-text).</summary>
    public static bool IsFieldValue(ReadOnlySpan<byte> value) => !value.ContainsAny(NotInValue);

    public static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> value) => value.Trim(" \t"u8);

    public static bool HasListItem(ReadOnlySpan<byte> list, ReadOnlySpan<byte> item)
    {
        foreach (var range in list.Split((byte)','))
        {
            if (Equal(Trim(list[range]), item))
            {
                return true;
            }
        }

        return false;
    }

    private static byte[] Controls() => [.. Enumerable.Range(0, 32).Where(c => c != '\t').Select(c => (byte)c), 0x7f];
}
