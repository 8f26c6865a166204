namespace Lanyard.Protocol.Kubernetes;

/// <summary>Keys of a user's extras (authentication.k8s.io/v1 UserInfo) that an operator may fill from claims.</summary>
public static class ExtraKeys
{
    /// <summary>What is wrong with a key for which <see cref="IsOwn"/> says no.</summary>
    public const string Rule = "a key is lower-case with a domain before a slash, and not of kubernetes.io or k8s.io";

    /// <summary>Lower-case, a domain before a slash, and not one of Kubernetes' own, as the API server demands of <c>AuthenticationConfiguration</c>.</summary>
    public static bool IsOwn(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        var slash = key.IndexOf('/', StringComparison.Ordinal);
        var domain = slash > 0 ? key[..slash] : "";
        return slash > 0 && slash < key.Length - 1 && !key.Any(char.IsAsciiLetterUpper)
            && domain is not ("kubernetes.io" or "k8s.io") && !domain.EndsWith(".kubernetes.io", StringComparison.Ordinal) && !domain.EndsWith(".k8s.io", StringComparison.Ordinal);
    }
}
