using System.Text;

namespace Lanyard.ClusterProxy.Forwarding;

/// <summary>
/// Strings for the header names and values of answers, so that those which come with nearly every answer are not made anew each time: the names that API
/// servers send, and the values seen last (the date of this second, media types, the ids of a flow schema).
/// </summary>
internal static class HeaderStrings
{
    private const int Places = 256;
    private const int LongestRemembered = 64;

    private static readonly string[] Names =
    [
        "Date", "Server", "Audit-Id", "Warning", "Connection", "Content-Type", "Cache-Control", "Content-Length", "Content-Encoding", "Transfer-Encoding",
        "X-Kubernetes-Pf-Flowschema-Uid", "X-Kubernetes-Pf-Prioritylevel-Uid",
    ];

    /// <summary>A value has one place; another that falls on the same place drives it out. Threads may race: a place holds a whole string or another.</summary>
    private static readonly string?[] Seen = new string?[Places];

    public static string Name(ReadOnlySpan<byte> name)
    {
        foreach (var candidate in Names)
        {
            if (candidate.Length == name.Length && Ascii.Equals(name, candidate))
            {
                return candidate;
            }
        }

        return Recent(name);
    }

    public static string Value(ReadOnlySpan<byte> value) => Recent(value);

    private static string Recent(ReadOnlySpan<byte> text)
    {
        if (text.Length > LongestRemembered)
        {
            return Encoding.Latin1.GetString(text);
        }

        ref var place = ref Seen[Place(text)];
        var seen = Volatile.Read(ref place);
        if (seen is not null && seen.Length == text.Length && Ascii.Equals(text, seen))
        {
            return seen;
        }

        var made = Encoding.Latin1.GetString(text);
        Volatile.Write(ref place, made);
        return made;
    }

    /// <summary>FNV-1a.</summary>
    private static int Place(ReadOnlySpan<byte> text)
    {
        var hash = 2166136261u;
        foreach (var b in text)
        {
            hash = (hash ^ b) * 16777619u;
        }

        return (int)(hash % Places);
    }
}
