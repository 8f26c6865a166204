using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Trust;
using Lanyard.Protocol.Resources;

namespace Lanyard.Server.Federation;

/// <summary>Checks a trusted issuer's spec and turns it into a record for the chain; every mistake is reported.</summary>
internal static class TrustedIssuerSpecs
{
    private const int MaxAudiences = 32;
    private const long MaxLifetime = 30 * 24 * 3600;

    /// <summary>As the database has it: a newer version may have written it, or somebody's hand.</summary>
    /// <returns>Null, and a mistake, where it is no spec.</returns>
    public static TrustedIssuerSpec? Read(string stored, List<Mistake> mistakes)
    {
        try
        {
            if (JsonSerializer.Deserialize(stored, TrustJson.Default.TrustedIssuerSpec) is { } spec) return spec;
            mistakes.Add(new Mistake("spec", "is null"));
        }
        catch (JsonException e)
        {
            mistakes.Add(new Mistake("spec" + (e.Path ?? "$")[1..], e.Message));
        }

        return null;
    }

    /// <returns>Null if there is any mistake.</returns>
    public static TrustedIssuer? Compile(string id, TrustedIssuerSpec spec, List<Mistake> mistakes)
    {
        var before = mistakes.Count;
        CheckIssuer(spec, mistakes);
        var source = SourceOf(spec.Keys, mistakes);
        var algorithms = Algorithms(spec.Algorithms, mistakes);
        if (spec.Audiences is { } audiences && (audiences.Count is 0 or > MaxAudiences || audiences.Any(a => a.Length is 0 or > 512)))
            mistakes.Add(new Mistake("spec.audiences", $"1 to {MaxAudiences} audiences of 1 to 512 characters, or none at all for the instance URL"));
        if (spec.MaxLifetimeSeconds is { } life && life is < 60 or > MaxLifetime)
            mistakes.Add(new Mistake("spec.maxLifetimeSeconds", $"60 to {MaxLifetime}"));
        CheckRoots(spec.CaBundle, mistakes);
        var conditions = Conditions(spec.RequiredClaims, mistakes);
        var condition = Condition(spec.Condition, mistakes);
        WorkflowRules.Check(spec, mistakes);
        if (mistakes.Count > before) return null;
        return new TrustedIssuer
        {
            Id = id,
            Issuer = spec.Issuer,
            Keys = source,
            DiscoveryUrl = spec.Keys.Discovery?.Url ?? spec.Keys.Spiffe?.Url,
            TrustDomain = spec.Keys.Spiffe?.TrustDomain,
            Algorithms = AlgorithmRules.Of(algorithms),
            Audiences = spec.Audiences ?? [],
            MaxLifetime = spec.MaxLifetimeSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : TrustedIssuer.DefaultMaxLifetime,
            AnyAudience = spec.Workflows is not null,
            // JWT-SVIDs need not say when they were issued.
            RequireIat = spec.RequireIat ?? (spec.Workflows is null && spec.Keys.Spiffe is null),
            RequiredClaims = conditions,
            Conditions = [.. new[] { condition, spec.Workflows is { } workflows ? WorkflowRules.Condition(workflows) : null }.OfType<TokenCondition>()],
            JwksHosts = spec.Keys.Discovery?.JwksHosts ?? [],
            AllowPrivateAddresses = spec.AllowPrivateAddresses ?? false,
            CaBundlePem = spec.CaBundle,
        };
    }

    /// <summary>The keys that a spec brings with it, as they are stored; null where they are to be discovered.</summary>
    public static string? InitialKeys(TrustedIssuerSpec spec) => spec.Keys.Spiffe?.Bundle is { } bundle
        ? KeySet.Parse(bundle.GetRawText(), KeySetOptions.SpiffeBundle).Value.ToJson()
        : (spec.Keys.Jwks ?? spec.Keys.Pushed?.Jwks)?.GetRawText();

    private static void CheckIssuer(TrustedIssuerSpec spec, List<Mistake> mistakes)
    {
        if (spec.Issuer.Length is 0 or > 512 || spec.Issuer.Any(c => char.IsControl(c) || char.IsWhiteSpace(c)))
            mistakes.Add(new Mistake("spec.issuer", "1 to 512 characters without white space"));
        else if (spec.Keys.Discovery is { Url: null } && !IsFetchable(spec.Issuer, spec))
            mistakes.Add(new Mistake("spec.issuer", "keys can be discovered from an https URL only (http on loopback, with allowPrivateAddresses)"));
        if (spec.Keys.Spiffe is { } spiffe) CheckSpiffe(spec, spiffe, mistakes);
        if (spec.Keys.Discovery?.Url is { } url && !IsFetchable(url, spec))
            mistakes.Add(new Mistake("spec.keys.discovery.url", "an https URL is wanted (http on loopback, with allowPrivateAddresses)"));
    }

    private static void CheckSpiffe(TrustedIssuerSpec spec, SpiffeKeysSpec spiffe, List<Mistake> mistakes)
    {
        if (!SpiffeId.IsTrustDomain(spiffe.TrustDomain))
            mistakes.Add(new Mistake("spec.keys.spiffe.trustDomain", "1 to 255 lower-case letters, digits, dots, dashes and underscores"));
        else if (spec.Issuer.StartsWith(SpiffeId.Scheme, StringComparison.Ordinal) && spec.Issuer != SpiffeId.Scheme + spiffe.TrustDomain)
            mistakes.Add(new Mistake("spec.issuer", $"{SpiffeId.Scheme}{spiffe.TrustDomain} for tokens without iss, or the iss that they have"));
        if (spiffe.Url is null == spiffe.Bundle is null)
            mistakes.Add(new Mistake("spec.keys.spiffe", "exactly one of url and bundle"));
        if (spiffe.Url is { } url && !IsFetchable(url, spec))
            mistakes.Add(new Mistake("spec.keys.spiffe.url", "an https URL is wanted (http on loopback, with allowPrivateAddresses)"));
        if (spiffe.Bundle is { } bundle) CheckJwks(bundle, "spec.keys.spiffe.bundle", mistakes, KeySetOptions.SpiffeBundle);
    }

    private static bool IsFetchable(string text, TrustedIssuerSpec spec) =>
        Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.UserInfo.Length == 0 && uri.Fragment.Length == 0
        && (uri.Scheme == "https" || (uri.Scheme == "http" && uri.IsLoopback && spec.AllowPrivateAddresses == true));

    private static KeySource SourceOf(IssuerKeys keys, List<Mistake> mistakes)
    {
        var given = (keys.Discovery is null ? 0 : 1) + (keys.Jwks is null ? 0 : 1) + (keys.Pushed is null ? 0 : 1) + (keys.Spiffe is null ? 0 : 1);
        if (given != 1)
        {
            mistakes.Add(new Mistake("spec.keys", "exactly one of discovery, jwks, pushed, spiffe"));
            return KeySource.Uploaded;
        }

        if (keys.Jwks is { } jwks) CheckJwks(jwks, "spec.keys.jwks", mistakes);
        if (keys.Pushed is { } pushed)
        {
            CheckJwks(pushed.Jwks, "spec.keys.pushed.jwks", mistakes);
            if (pushed.Subject.Length is 0 or > 255) mistakes.Add(new Mistake("spec.keys.pushed.subject", "1 to 255 characters"));
        }

        if (keys.Spiffe is { } spiffe) return spiffe.Url is null ? KeySource.Uploaded : KeySource.Bundle;
        return keys.Discovery is not null ? KeySource.Discovery : keys.Jwks is not null ? KeySource.Uploaded : KeySource.Pushed;
    }

    private static void CheckJwks(JsonElement jwks, string path, List<Mistake> mistakes, KeySetOptions? options = null)
    {
        var parsed = KeySet.Parse(jwks.GetRawText(), options);
        if (parsed.IsRefused) mistakes.Add(new Mistake(path, parsed.Refusal.Detail));
    }

    private static void CheckRoots(string? pem, List<Mistake> mistakes)
    {
        if (pem is null) return;
        var roots = new X509Certificate2Collection();
        try
        {
            roots.ImportFromPem(pem);
            if (roots.Count == 0) mistakes.Add(new Mistake("spec.caBundle", "PEM with at least one certificate"));
        }
        catch (CryptographicException e)
        {
            mistakes.Add(new Mistake("spec.caBundle", "PEM with at least one certificate, which can be read: " + e.Message));
        }
        finally
        {
            foreach (var root in roots) root.Dispose();
        }
    }

    private static List<SignatureAlgorithm> Algorithms(IReadOnlyList<string>? names, List<Mistake> mistakes)
    {
        var algorithms = new List<SignatureAlgorithm>();
        foreach (var name in names ?? [])
        {
            if (SignatureAlgorithms.TryParse(name, out var algorithm)) algorithms.Add(algorithm);
            else mistakes.Add(new Mistake("spec.algorithms", $"{name}: RS, PS or ES with 256, 384 or 512"));
        }

        if (names is { Count: 0 }) mistakes.Add(new Mistake("spec.algorithms", "at least one, or none at all for every one"));
        return algorithms;
    }

    private static IReadOnlyList<ClaimCondition> Conditions(JsonElement? claims, List<Mistake> mistakes)
    {
        if (claims is not { } element) return [];
        var found = new List<PolicyMistake>();
        var conditions = ConditionReader.Read(element, "spec.requiredClaims", found);
        mistakes.AddRange(found.Select(m => new Mistake(m.Path, m.Text)));
        return conditions;
    }

    private static TokenCondition? Condition(string? text, List<Mistake> mistakes)
    {
        if (text is null) return null;
        var found = new List<PolicyMistake>();
        var condition = CelCondition.Read(text, "spec.condition", found);
        mistakes.AddRange(found.Select(m => new Mistake(m.Path, m.Text)));
        return condition is null ? null : token => condition.Mismatch(token.Claims) is { } untrue ? new Refusal(RefusalReason.ConditionFailed, untrue) : null;
    }
}
