using Lanyard.Identity.Jose;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Http;

namespace Lanyard.Server.Clusters;

/// <summary>What a cluster's spec must be, every mistake at once.</summary>
internal static class ClusterSpecs
{
    private const int MaxIssuer = 512;

    public static List<Mistake> Mistakes(ClusterSpec spec)
    {
        var mistakes = new List<Mistake>();
        if (spec.Issuer.Length is 0 or > MaxIssuer || spec.Issuer.Any(character => character is <= ' ' or > '~' or '"' or '\\'))
        {
            mistakes.Add(new Mistake("spec.issuer", $"must be 1 to {MaxIssuer} printable ASCII characters without blanks"));
        }

        Keys(spec, mistakes);
        if (!Slug.IsValid(spec.Runner.Namespace))
        {
            mistakes.Add(new Mistake("spec.runner.namespace", Slug.Rule));
        }

        // A DNS subdomain (RFC 1123): dots are allowed in names of service accounts.
        if (spec.Runner.ServiceAccount.Length > 253 || !spec.Runner.ServiceAccount.Split('.').All(Slug.IsValid))
        {
            mistakes.Add(new Mistake("spec.runner.serviceAccount", "must be the name of a service account"));
        }

        if (spec.ApiServerVersion is { } version && (version.Length > 100 || version.Any(char.IsControl)))
        {
            mistakes.Add(new Mistake("spec.apiServerVersion", "must be at most 100 characters"));
        }

        return mistakes;
    }

    private static void Keys(ClusterSpec spec, List<Mistake> mistakes)
    {
        switch (spec.Keys)
        {
            case { Discovery: true, Jwks: null }:
                if (!Uri.TryCreate(spec.Issuer, UriKind.Absolute, out var url) || url.Scheme != Uri.UriSchemeHttps)
                {
                    mistakes.Add(new Mistake("spec.keys.discovery", "needs an https issuer; upload the keys instead"));
                }

                break;
            case { Discovery: null, Jwks: { } jwks }:
                var keys = KeySet.Parse(jwks.GetRawText());
                if (keys.IsRefused)
                {
                    mistakes.Add(new Mistake("spec.keys.jwks", keys.Refusal.Detail));
                }
                else if (keys.Value.Keys.Count == 0)
                {
                    mistakes.Add(new Mistake("spec.keys.jwks", "has no key that can verify a token"));
                }

                break;
            default:
                mistakes.Add(new Mistake("spec.keys", "must have exactly one member: discovery: true, or jwks"));
                break;
        }
    }
}
