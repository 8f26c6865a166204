using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Lanyard.ClusterProxy.Configuration;
using Lanyard.Identity.Cel;
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

    public static JwtAuthenticator? Read(YamlMap entry)
    {
        var issuer = entry.Map("issuer");
        if (issuer is null)
        {
            entry.Wrong("issuer", "required");
        }

        var record = issuer is null ? null : ReadIssuer(issuer);
        var (required, rules) = ReadRules(entry);
        var mappings = entry.Map("claimMappings");
        if (mappings?.Has("username") != true)
        {
            entry.Wrong("claimMappings.username", "required");
        }

        var (username, nameExpression) = ReadMapping(mappings?.Map("username"), hasPrefix: true);
        var (groups, groupsExpression) = ReadMapping(mappings?.Map("groups"), hasPrefix: true);
        var (uid, uidExpression) = ReadMapping(mappings?.Map("uid"), hasPrefix: false);
        var expressions = new UserExpressions
        {
            Username = nameExpression,
            Groups = groupsExpression,
            Uid = uidExpression,
            Extras = mappings is null ? [] : ExpressionReader.Extras(mappings),
            UserRules = ExpressionReader.UserRules(entry),
        };
        mappings?.RefuseOthers();
        MailRule.Check(mappings, expressions, rules);
        entry.RefuseOthers();
        return record is null || (username is null && nameExpression is null)
            ? null
            : new JwtAuthenticator(record with { RequiredClaims = required, Conditions = [.. rules.Select(ExpressionReader.Condition)] }, username, groups, uid?.Claim)
            {
                Expressions = expressions,
            };
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

    private static (List<ClaimCondition> Required, List<ExpressionRule> Rules) ReadRules(YamlMap entry)
    {
        var conditions = new List<ClaimCondition>();
        var rules = new List<ExpressionRule>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var rule in entry.Maps("claimValidationRules"))
        {
            if (rule.Has("expression"))
            {
                if (rule.Has("claim") || rule.Has("requiredValue"))
                {
                    _ = (rule.Text("claim"), rule.Text("requiredValue"));
                    rule.Wrong("claim", "a rule has either claim and requiredValue or expression");
                }

                if (ExpressionReader.Rule(rule, CelEnvironments.KubernetesClaims) is { } read)
                {
                    Distinct(rule, "expression", read.Condition.Text, seen);
                    rules.Add(read);
                }
            }
            else if (ReadRequired(rule, seen) is { } condition)
            {
                conditions.Add(condition);
            }

            rule.RefuseOthers();
        }

        return (conditions, rules);
    }

    private static ClaimCondition? ReadRequired(YamlMap rule, HashSet<string> seen)
    {
        if (rule.Has("message"))
        {
            rule.Text("message");
            rule.Wrong("message", "only with expression");
        }

        var claim = rule.RequiredText("claim");
        var value = rule.Text("requiredValue") ?? "";
        if (claim is null)
        {
            return null;
        }

        Distinct(rule, "claim", claim, seen);
        return ClaimCondition.Exact(ExactPath(claim), value);
    }

    private static void Distinct(YamlMap rule, string member, string text, HashSet<string> seen)
    {
        if (!seen.Add($"{member} {text}"))
        {
            rule.Wrong(member, "has a rule already");
        }
    }

    /// <summary>The file names claims, never paths: dots are part of the name.</summary>
    internal static string ExactPath(string claim) =>
        claim.Replace("\\", "\\\\", StringComparison.Ordinal).Replace(".", "\\.", StringComparison.Ordinal);

    /// <summary>A claim (with its prefix, where one belongs to it) or an expression, never both.</summary>
    private static (PrefixedClaim? Claim, CelProgram? Expression) ReadMapping(YamlMap? map, bool hasPrefix)
    {
        if (map is null)
        {
            return default;
        }

        var (claim, expression) = map.Has("expression") ? (null, ReadExpression(map, hasPrefix)) : (ReadClaim(map, hasPrefix), (CelProgram?)null);
        map.RefuseOthers();
        return (claim, expression);
    }

    private static CelProgram? ReadExpression(YamlMap map, bool hasPrefix)
    {
        foreach (var name in hasPrefix ? ["claim", "prefix"] : new[] { "claim" })
        {
            if (map.Has(name))
            {
                map.Text(name);
                map.Wrong(name, "not with expression");
            }
        }

        return ExpressionReader.Mapping(map, "expression");
    }

    private static PrefixedClaim? ReadClaim(YamlMap map, bool hasPrefix)
    {
        var claim = map.RequiredText("claim");
        var prefix = hasPrefix ? map.Text("prefix") : "";
        if (prefix is null && claim is not null && !map.Has("prefix"))
        {
            map.Wrong("prefix", "required with claim; \"\" means none");
        }

        return claim is null ? null : new PrefixedClaim(claim, prefix ?? "");
    }
}
