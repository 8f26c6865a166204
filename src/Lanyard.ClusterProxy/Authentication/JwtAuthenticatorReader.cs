using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Lanyard.ClusterProxy.Configuration;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Trust;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary>One entry of <c>jwt</c>. Reads everything even after a mistake, so that all are reported.</summary>
internal static class JwtAuthenticatorReader
{
    /// <summary>
    /// The file format has no limit for a token's life. This one lets a cluster's in-pod tokens pass, which API servers extend to a year,
    /// and stops the "never expires" of a misconfigured issuer.
    /// </summary>
    private static readonly TimeSpan MaxLifetime = TimeSpan.FromDays(366);

    private const string NoCel = "CEL expressions are not supported here yet; use claim";

    public static JwtAuthenticator? Read(YamlMap entry)
    {
        var issuer = entry.Map("issuer");
        if (issuer is null)
        {
            entry.Wrong("issuer", "required");
        }

        var record = issuer is null ? null : ReadIssuer(issuer);
        var required = ReadRules(entry);
        var mappings = entry.Map("claimMappings");
        var username = mappings?.Map("username") is { } name ? ReadPrefixed(name) : null;
        if (mappings?.Has("username") != true)
        {
            entry.Wrong("claimMappings.username", "required");
        }

        var groups = mappings?.Map("groups") is { } list ? ReadPrefixed(list) : null;
        var uid = mappings is null ? null : ReadUid(mappings);
        mappings?.RefuseOthers();
        RefuseCelList(entry, "userValidationRules");
        entry.RefuseOthers();
        return record is null || username is null ? null : new JwtAuthenticator(record with { RequiredClaims = required }, username, groups, uid);
    }

    /// <summary>https only, but for loopback, where no network can be listened to.</summary>
    public static bool IsIssuerUrl(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var url)
        && (url.Scheme == Uri.UriSchemeHttps || (url.Scheme == Uri.UriSchemeHttp && url.IsLoopback))
        && url.UserInfo.Length == 0 && url.Query.Length == 0 && url.Fragment.Length == 0;

    /// <summary>A record for an issuer that the operator names in a file of his: it may live at a private address.</summary>
    public static TrustedIssuer Record(string url, IReadOnlyList<string> audiences) => new()
    {
        // The issuer's own name, so that its keys outlive a reload of the file.
        Id = $"jwt:{url}",
        Issuer = url,
        Audiences = audiences,
        RequireIat = false,
        MaxLifetime = MaxLifetime,
        AllowPrivateAddresses = true,
    };

    public static bool IsPem(string text)
    {
        try
        {
            var certificates = new X509Certificate2Collection();
            certificates.ImportFromPem(text);
            return certificates.Count > 0;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private static TrustedIssuer? ReadIssuer(YamlMap issuer)
    {
        var url = issuer.RequiredText("url");
        if (url is not null && !IsIssuerUrl(url))
        {
            issuer.Wrong("url", "must be an https URL without user, query and fragment");
        }

        var discovery = issuer.Text("discoveryURL");
        if (discovery is not null && (!IsIssuerUrl(discovery) || discovery == url))
        {
            issuer.Wrong("discoveryURL", "must be an https URL other than url, without user, query and fragment");
        }

        var authority = issuer.Text("certificateAuthority");
        if (authority is not null && !IsPem(authority))
        {
            issuer.Wrong("certificateAuthority", "must be one or more PEM certificates");
        }

        if (issuer.Text("egressSelectorType") is { Length: > 0 })
        {
            issuer.Wrong("egressSelectorType", "this proxy has no egress selectors");
        }

        var audiences = ReadAudiences(issuer);
        issuer.RefuseOthers();
        return url is null ? null : Record(url, audiences) with { DiscoveryUrl = discovery, CaBundlePem = authority };
    }

    private static IReadOnlyList<string> ReadAudiences(YamlMap issuer)
    {
        var audiences = issuer.Texts("audiences");
        var policy = issuer.Text("audienceMatchPolicy");
        if (audiences.Count == 0 || audiences.Contains("") || audiences.Distinct(StringComparer.Ordinal).Count() != audiences.Count)
        {
            issuer.Wrong("audiences", "needs at least one; none may be empty or twice");
        }

        if (policy is not (null or "" or "MatchAny") || (audiences.Count > 1 && policy != "MatchAny"))
        {
            issuer.Wrong("audienceMatchPolicy", "must be MatchAny, and must be set with several audiences");
        }

        return audiences;
    }

    private static List<ClaimCondition> ReadRules(YamlMap entry)
    {
        var conditions = new List<ClaimCondition>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var rule in entry.Maps("claimValidationRules"))
        {
            if (rule.Has("expression") || rule.Has("message"))
            {
                _ = (rule.Text("expression"), rule.Text("message"));
                rule.Wrong("expression", NoCel);
            }

            var claim = rule.Text("claim");
            var value = rule.Text("requiredValue") ?? "";
            if (claim is { Length: > 0 } && !seen.Add(claim))
            {
                rule.Wrong("claim", "has a rule already");
            }
            else if (claim is { Length: > 0 })
            {
                conditions.Add(ClaimCondition.Exact(ExactPath(claim), value));
            }
            else if (!rule.Has("expression"))
            {
                rule.Wrong("claim", "required");
            }

            rule.RefuseOthers();
        }

        return conditions;
    }

    /// <summary>The file names claims, never paths: dots are part of the name.</summary>
    internal static string ExactPath(string claim) =>
        claim.Replace("\\", "\\\\", StringComparison.Ordinal).Replace(".", "\\.", StringComparison.Ordinal);

    private static PrefixedClaim? ReadPrefixed(YamlMap map)
    {
        if (map.Has("expression"))
        {
            map.Text("expression");
            map.Wrong("expression", NoCel);
        }

        var claim = map.Has("expression") ? map.Text("claim") : map.RequiredText("claim");
        var prefix = map.Text("prefix");
        if (prefix is null && claim is not null && !map.Has("prefix"))
        {
            map.Wrong("prefix", "required with claim; \"\" means none");
        }

        map.RefuseOthers();
        return claim is null ? null : new PrefixedClaim(claim, prefix ?? "");
    }

    private static string? ReadUid(YamlMap mappings)
    {
        RefuseCelList(mappings, "extra");
        if (mappings.Map("uid") is not { } uid)
        {
            return null;
        }

        if (uid.Has("expression"))
        {
            uid.Text("expression");
            uid.Wrong("expression", NoCel);
        }

        var claim = uid.Has("expression") ? uid.Text("claim") : uid.RequiredText("claim");
        uid.RefuseOthers();
        return claim;
    }

    private static void RefuseCelList(YamlMap map, string name)
    {
        if (map.Maps(name).Count > 0)
        {
            map.Wrong(name, NoCel);
        }
    }
}
