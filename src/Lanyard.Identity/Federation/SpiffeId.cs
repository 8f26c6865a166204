namespace Lanyard.Identity.Federation;

/// <summary>
/// SPIFFE ids of workloads (SPIFFE-ID §2): <c>spiffe://trust-domain/path</c>, read to the letter. A JWT-SVID need not have <c>iss</c>: then its trust domain is
/// who vouches for it.
/// </summary>
public static class SpiffeId
{
    public const string Scheme = "spiffe://";
    private const int MaxLength = 2048;
    private const int MaxTrustDomain = 255;

    /// <summary>The trust domain of a workload's id; empty where the text is none. An id without a path names no workload.</summary>
    public static ReadOnlySpan<char> TrustDomainOf(ReadOnlySpan<char> id)
    {
        if (id.Length > MaxLength || !id.StartsWith(Scheme, StringComparison.Ordinal))
        {
            return default;
        }

        var rest = id[Scheme.Length..];
        var slash = rest.IndexOf('/');
        return slash > 0 && IsTrustDomain(rest[..slash]) && IsPath(rest[(slash + 1)..]) ? rest[..slash] : default;
    }

    public static bool IsTrustDomain(ReadOnlySpan<char> text)
    {
        if (text.Length is 0 or > MaxTrustDomain)
        {
            return false;
        }

        foreach (var c in text)
        {
            if (!char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c is not ('.' or '-' or '_'))
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsPath(ReadOnlySpan<char> path)
    {
        foreach (var range in path.Split('/'))
        {
            var segment = path[range];
            if (segment.Length == 0 || segment is "." or ".." || !IsSegment(segment))
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsSegment(ReadOnlySpan<char> segment)
    {
        foreach (var c in segment)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('.' or '-' or '_'))
            {
                return false;
            }
        }

        return true;
    }
}
