using Lanyard.Identity.Jose;
using Lanyard.Identity.Trust;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary>The API server's and kube-oidc-proxy's <c>--oidc-…</c> flags: one issuer, with their defaults, and each does what it says.</summary>
internal static class OidcFlags
{
    private const string Issuer = "--oidc-issuer-url";

    public static readonly IReadOnlyList<Flag> Flags =
    [
        new(Issuer, "The issuer's URL, exactly as in iss."),
        new("--oidc-client-id", "The audience that tokens must have."),
        new("--oidc-username-claim", "The claim that becomes the user name (default sub)."),
        new("--oidc-username-prefix", "Put before user names; the default is the issuer's URL and #, but nothing for email; - means nothing."),
        new("--oidc-groups-claim", "The claim that becomes the groups: text, or a list of texts."),
        new("--oidc-groups-prefix", "Put before groups."),
        new("--oidc-required-claim", "CLAIM=VALUE that tokens must have; may be repeated.", Repeats: true),
        new("--oidc-signing-algs", "Accepted algorithms, with commas between (default RS256).", Repeats: true),
        new("--oidc-ca-file", "PEM file with the only roots for reaching the issuer."),
    ];

    public static bool AreUsed(CommandLine line) => Flags.Any(f => line.Has(f.Name));

    /// <returns>Null when no such flag is given, or with mistakes.</returns>
    public static JwtAuthenticator? Read(CommandLine line)
    {
        if (!AreUsed(line))
        {
            return null;
        }

        var url = line.Text(Issuer);
        if (url is null || !JwtAuthenticatorReader.IsIssuerUrl(url))
        {
            line.Mistakes.Add(Issuer, "needed: an https URL without user, query and fragment");
            url = "https://missing";
        }

        var audience = line.Text("--oidc-client-id");
        if (string.IsNullOrEmpty(audience))
        {
            line.Mistakes.Add("--oidc-client-id", "needed");
        }

        var record = JwtAuthenticatorReader.Record(url, [audience ?? "missing"]) with
        {
            Algorithms = new AlgorithmRules { Allowed = Algorithms(line) },
            RequiredClaims = [.. line.Texts("--oidc-required-claim").Select(t => RequiredClaim(line, t)).OfType<ClaimCondition>()],
            CaBundlePem = Roots(line),
        };
        var claim = line.Text("--oidc-username-claim") ?? "sub";
        var groups = line.Text("--oidc-groups-claim") is { } name ? new PrefixedClaim(name, line.Text("--oidc-groups-prefix") ?? "") : null;
        return new JwtAuthenticator(record, new PrefixedClaim(claim, UserPrefix(line, url, claim)), groups, UidClaim: null);
    }

    private static string UserPrefix(CommandLine line, string url, string claim) => line.Text("--oidc-username-prefix") switch
    {
        "-" => "",
        { Length: > 0 } prefix => prefix,
        _ => claim == "email" ? "" : url + "#",
    };

    private static List<SignatureAlgorithm> Algorithms(CommandLine line)
    {
        var algorithms = new List<SignatureAlgorithm>();
        foreach (var name in line.List("--oidc-signing-algs"))
        {
            if (Enum.TryParse<SignatureAlgorithm>(name, ignoreCase: false, out var algorithm) && Enum.IsDefined(algorithm) && !char.IsAsciiDigit(name[0]))
            {
                algorithms.Add(algorithm);
            }
            else
            {
                line.Mistakes.Add("--oidc-signing-algs", $"{name} is none of RS256, RS384, RS512, ES256, ES384, ES512, PS256, PS384, PS512");
            }
        }

        return algorithms.Count > 0 ? algorithms : [SignatureAlgorithm.RS256];
    }

    private static ClaimCondition? RequiredClaim(CommandLine line, string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals > 0)
        {
            return ClaimCondition.Exact(JwtAuthenticatorReader.ExactPath(text[..equals]), text[(equals + 1)..]);
        }

        line.Mistakes.Add("--oidc-required-claim", "must be CLAIM=VALUE");
        return null;
    }

    private static string? Roots(CommandLine line)
    {
        if (line.Text("--oidc-ca-file") is not { } file)
        {
            return null;
        }

        if (File.Exists(file) && File.ReadAllText(file) is var pem && JwtAuthenticatorReader.IsPem(pem))
        {
            return pem;
        }

        line.Mistakes.Add("--oidc-ca-file", "must be a file with PEM certificates");
        return null;
    }
}
