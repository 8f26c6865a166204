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
        Pusher(spec, mistakes);
        Subject(spec.Runner, "spec.runner", mistakes);

        if (spec.ApiServerVersion is { } version && (version.Length > 100 || version.Any(char.IsControl)))
        {
            mistakes.Add(new Mistake("spec.apiServerVersion", "must be at most 100 characters"));
        }

        return mistakes;
    }

    private static void Subject(ClusterSubject subject, string path, List<Mistake> mistakes)
    {
        if (!Slug.IsValid(subject.Namespace))
        {
            mistakes.Add(new Mistake($"{path}.namespace", Slug.Rule));
        }

        // A DNS subdomain (RFC 1123): dots are allowed in names of service accounts.
        if (subject.ServiceAccount.Length > 253 || !subject.ServiceAccount.Split('.').All(Slug.IsValid))
        {
            mistakes.Add(new Mistake($"{path}.serviceAccount", "must be the name of a service account"));
        }
    }

    /// <summary>A runner that could announce keys could become everybody whom the cluster knows: the pusher is somebody else.</summary>
    private static void Pusher(ClusterSpec spec, List<Mistake> mistakes)
    {
        if (spec.Keys.Pusher is null)
        {
            if (spec.Keys.RequireApproval is not null)
            {
                mistakes.Add(new Mistake("spec.keys.requireApproval", "needs a pusher"));
            }

            if (spec.Keys.Review is not null)
            {
                mistakes.Add(new Mistake("spec.keys.review", "needs a pusher: it asks the API server"));
            }

            return;
        }

        Subject(spec.Keys.Pusher, "spec.keys.pusher", mistakes);
        if (spec.Keys.Jwks is null)
        {
            mistakes.Add(new Mistake("spec.keys.pusher", "needs jwks: keys that are discovered are not pushed"));
        }

        if (spec.Keys.Pusher == spec.Runner)
        {
            mistakes.Add(new Mistake("spec.keys.pusher", "must be a service account of its own, not the runner's"));
        }
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
