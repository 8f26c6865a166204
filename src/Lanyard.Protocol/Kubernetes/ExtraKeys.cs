using System.Buffers;

namespace Lanyard.Protocol.Kubernetes;

/// <summary>Keys of a user's extras (authentication.k8s.io/v1 UserInfo) that an operator may fill from claims.</summary>
public static class ExtraKeys
{
    /// <summary>What is wrong with a key for which <see cref="IsOwn"/> says no.</summary>
    public const string Rule = "a key is lower-case with a domain before a slash and characters of a URL's path behind it, and not of kubernetes.io or k8s.io";

    private const int LongestDomain = 253;
    private static readonly SearchValues<char> InLabel = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-");
    private static readonly SearchValues<char> InPath = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789/-._~%!$&'()*+,;=:");

    /// <summary>Lower-case, a DNS subdomain before a slash, and not one of Kubernetes' own, as the API server demands of <c>AuthenticationConfiguration</c>.</summary>
    public static bool IsOwn(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        var slash = key.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0) return false;
        var (domain, path) = (key[..slash], key[(slash + 1)..]);
        return IsDomain(domain) && path.Length > 0 && !path.AsSpan().ContainsAnyExcept(InPath)
            && domain is not ("kubernetes.io" or "k8s.io") && !domain.EndsWith(".kubernetes.io", StringComparison.Ordinal) && !domain.EndsWith(".k8s.io", StringComparison.Ordinal);
    }

    /// <summary>RFC 1123 §2.1, as Kubernetes reads it: labels may have any length as long as the whole is no longer than a name may be.</summary>
    private static bool IsDomain(string domain) =>
        domain.Length <= LongestDomain && domain.Split('.').All(static label => label.Length > 0 && label[0] != '-' && label[^1] != '-' && !label.AsSpan().ContainsAnyExcept(InLabel));
}
