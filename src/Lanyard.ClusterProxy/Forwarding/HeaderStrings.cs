using System.Text;

namespace Lanyard.ClusterProxy.Forwarding;

/// <summary>Strings for the header names and values that API servers send with nearly every answer, so that they are not made anew each time.</summary>
internal static class HeaderStrings
{
    private static readonly string[] Names =
    [
        "Date", "Server", "Audit-Id", "Warning", "Connection", "Content-Type", "Cache-Control", "Content-Length", "Content-Encoding", "Transfer-Encoding",
        "X-Kubernetes-Pf-Flowschema-Uid", "X-Kubernetes-Pf-Prioritylevel-Uid",
    ];

    private static readonly string[] Values = ["application/json", "no-cache, private", "application/vnd.kubernetes.protobuf", "text/plain; charset=utf-8", "gzip"];

    public static string Name(ReadOnlySpan<byte> name) => Known(Names, name);

    public static string Value(ReadOnlySpan<byte> value) => Known(Values, value);

    private static string Known(string[] known, ReadOnlySpan<byte> text)
    {
        foreach (var candidate in known)
        {
            if (candidate.Length == text.Length && Ascii.Equals(text, candidate))
            {
                return candidate;
            }
        }

        return Encoding.Latin1.GetString(text);
    }
}
