using Lanyard.ClusterProxy.Configuration;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary>
/// Reads the Kubernetes <c>AuthenticationConfiguration</c> file (apiserver.config.k8s.io v1 and v1beta1): strictly, all mistakes at once.
/// What this proxy does not do is refused by name and never passed over: anonymous access, egress selectors.
/// </summary>
internal static class AuthenticationFile
{
    private const int MaxAuthenticators = 64;
    private const string Group = "apiserver.config.k8s.io";

    /// <exception cref="ConfigurationException">The file has mistakes; none of it is used.</exception>
    public static IReadOnlyList<JwtAuthenticator> Parse(string yaml, string source)
    {
        var mistakes = new Mistakes();
        var authenticators = YamlMap.Parse(yaml, mistakes) is { } root ? Read(root) : [];
        return mistakes.Any ? throw new ConfigurationException(source, mistakes) : authenticators;
    }

    private static List<JwtAuthenticator> Read(YamlMap root)
    {
        if (root.Text("apiVersion") is not ($"{Group}/v1" or $"{Group}/v1beta1"))
        {
            root.Wrong("apiVersion", $"must be {Group}/v1 or {Group}/v1beta1");
        }

        if (root.Text("kind") != "AuthenticationConfiguration")
        {
            root.Wrong("kind", "must be AuthenticationConfiguration");
        }

        if (root.Has("anonymous"))
        {
            root.Map("anonymous");
            root.Wrong("anonymous", "this proxy never lets anonymous requests through");
        }

        var entries = root.Maps("jwt");
        if (entries.Count is 0 or > MaxAuthenticators)
        {
            root.Wrong("jwt", $"needs 1 to {MaxAuthenticators} authenticators");
        }

        root.RefuseOthers();
        var read = entries.Select(e => JwtAuthenticatorReader.Read(e)).ToList();
        RefuseDoubles(root, read);
        return [.. read.OfType<JwtAuthenticator>()];
    }

    private static void RefuseDoubles(YamlMap root, List<JwtAuthenticator?> read)
    {
        for (var i = 0; i < read.Count; i++)
        {
            var earlier = read.Take(i).OfType<JwtAuthenticator>().ToList();
            if (read[i] is { } one && earlier.Any(e => e.Issuer.Issuer == one.Issuer.Issuer))
            {
                root.Wrong($"jwt[{i}].issuer.url", "another authenticator has this issuer");
            }

            if (read[i]?.Issuer.DiscoveryUrl is { } url && earlier.Any(e => e.Issuer.DiscoveryUrl == url))
            {
                root.Wrong($"jwt[{i}].issuer.discoveryURL", "another authenticator has this discovery URL");
            }

            RefuseSameNames(root, read, i);
        }
    }

    /// <summary>Two issuers without prefixes, or with one expression that does not look at <c>iss</c>, could each name the other's users.</summary>
    private static void RefuseSameNames(YamlMap root, List<JwtAuthenticator?> read, int index)
    {
        if (read[index] is not { } one)
        {
            return;
        }

        var earlier = read.Take(index).OfType<JwtAuthenticator>().ToList();
        if (one.Username is { } name && earlier.Any(e => e.Username?.Prefix == name.Prefix))
        {
            root.Wrong($"jwt[{index}].claimMappings.username.prefix", $"another issuer has the prefix \"{name.Prefix}\" too: their users could not be told apart");
        }

        if (one.Expressions.Username is { } program && !program.Text.Contains("iss", StringComparison.Ordinal) && earlier.Any(e => e.Expressions.Username?.Text == program.Text))
        {
            root.Wrong($"jwt[{index}].claimMappings.username.expression", "another issuer has this expression too: their users could not be told apart");
        }
    }
}
