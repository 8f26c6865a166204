using System.Text.Json;
using Lanyard.Identity.Tokens;

namespace Lanyard.Identity.Trust;

/// <summary>
/// The conditions under which a verified token becomes a principal, and what that principal is allowed: read strictly from a document
/// (unknown member = mistake, every mistake at once), and never changed afterwards.
/// </summary>
public sealed class TrustPolicy
{
    private readonly IReadOnlyList<string> _audiences;
    private readonly IReadOnlyList<ClaimCondition> _claims;
    private readonly CelCondition? _condition;
    private readonly PrincipalTemplate? _principal;
    private readonly ContextMapping _context;

    private TrustPolicy(PolicyParts parts)
    {
        Issuer = parts.Issuer!;
        _audiences = parts.Audiences;
        _claims = parts.Claims;
        _condition = parts.Condition;
        _principal = parts.Principal;
        _context = parts.Context;
        Roles = parts.Roles;
        AllowedAudiences = parts.AllowedAudiences;
        Introspects = parts.Introspects;
        Terms = parts.Terms;
    }

    /// <summary>Slug of the trust record whose tokens it is for; <c>cluster/SLUG</c> for a cluster's.</summary>
    public string Issuer { get; }

    /// <summary><c>admin</c>, <c>operator</c>, <c>viewer</c>.</summary>
    public IReadOnlyList<string> Roles { get; }

    /// <summary>Audiences for which the principal may have identity tokens.</summary>
    public IReadOnlyList<string> AllowedAudiences { get; }

    /// <summary>Audiences on whose behalf the principal may introspect tokens.</summary>
    public IReadOnlyList<string> Introspects { get; }

    /// <summary>Null where it has none, as most policies.</summary>
    public PolicyTerms? Terms { get; }

    /// <returns>The policy, or every mistake of the document.</returns>
    public static (TrustPolicy? Policy, IReadOnlyList<PolicyMistake> Mistakes) Parse(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 8, AllowDuplicateProperties = false });
            return Parse(document.RootElement);
        }
        catch (JsonException e)
        {
            return (null, [new PolicyMistake("", $"not JSON, or a member stands there twice: {e.Message}")]);
        }
    }

    public static (TrustPolicy? Policy, IReadOnlyList<PolicyMistake> Mistakes) Parse(JsonElement document)
    {
        var parts = PolicyParts.Read(document);
        return parts.Mistakes.Count == 0 ? (new TrustPolicy(parts), []) : (null, parts.Mistakes);
    }

    /// <summary>Step 9 of the chain for one policy.</summary>
    /// <returns>The match with its evidence; or the first condition that does not hold, with the value seen.</returns>
    public Outcome<PolicyMatch> Match(VerifiedToken token)
    {
        ArgumentNullException.ThrowIfNull(token);
        return Match(token.Claims, token.Subject);
    }

    /// <summary>The same for claims that were verified before, such as those that an audit event kept.</summary>
    public Outcome<PolicyMatch> Match(ClaimSet claims) => Match(claims, claims.TryGetString(ClaimNames.Subject, out var subject) ? subject : "");

    /// <summary>For a token that does not match: what would have to change first, in the token or in the policy.</summary>
    public string? Change(ClaimSet claims)
    {
        ArgumentNullException.ThrowIfNull(claims);
        if (!IsFor(claims)) return $"the token would need an aud of {string.Join(", ", _audiences)}; or the policy would have to do without audiences";
        foreach (var condition in _claims)
            if (condition.Mismatch(claims) is not null) return condition.Change(claims);
        if (_condition?.Mismatch(claims) is not null) return $"claims that make {_condition.Text} true; or another condition";
        return Terms is { IsAuditOnly: true } ? "the policy would have to be enforced (mode: enforce)" : null;
    }

    /// <summary>Outermost claims that must each be one of some texts, or the policy does not match.</summary>
    internal IEnumerable<(string Claim, IReadOnlyList<string> Texts)> ExactTexts => _claims.Select(static condition => condition.ExactTexts).OfType<(string, IReadOnlyList<string>)>();

    /// <summary>Whether the policy looks at an outermost claim.</summary>
    public bool Asks(string claim) => _claims.Any(condition => condition.Path.Segments[0] == claim) || _condition?.Mentions(claim) == true;

    private bool IsFor(ClaimSet claims) => _audiences.Count == 0
        || (claims.TryGetStrings(ClaimNames.Audience, out var audiences) && audiences.Any(a => _audiences.Contains(a, StringComparer.Ordinal)));

    private Outcome<PolicyMatch> Match(ClaimSet claims, string subject)
    {
        if (!IsFor(claims))
            return new Refusal(RefusalReason.NoMatchingPolicy, $"aud is none of {string.Join(", ", _audiences)}");

        var evidence = new List<MatchedClaim>(_claims.Count);
        foreach (var condition in _claims)
        {
            if (!condition.Judge(claims, out var matched, out var mismatch)) return new Refusal(RefusalReason.NoMatchingPolicy, mismatch!);
            evidence.Add(matched!);
        }

        if (_condition is not null)
        {
            if (_condition.Mismatch(claims) is { } untrue) return new Refusal(RefusalReason.NoMatchingPolicy, untrue);
            evidence.Add(new MatchedClaim("condition", "true", _condition.Text));
        }

        var name = _principal is null ? PrincipalTemplate.Checked($"{Issuer}:{subject}") : _principal.Fill(claims);
        if (!name.TryGet(out var principal, out var refusal) || !_context.Fill(claims).TryGet(out var facts, out refusal)) return refusal;
        return new PolicyMatch(principal, evidence, facts);
    }
}

/// <summary>A policy matched: what the principal is called, which claims said so, and what the token says of its work.</summary>
public sealed record PolicyMatch(string Principal, IReadOnlyList<MatchedClaim> Evidence, IReadOnlyList<ContextFact> Context);
