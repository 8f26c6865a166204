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
        if (_audiences.Count > 0 && !token.Audiences.Any(a => _audiences.Contains(a, StringComparer.Ordinal)))
            return new Refusal(RefusalReason.NoMatchingPolicy, $"aud is {string.Join(", ", token.Audiences)}, wanted is one of {string.Join(", ", _audiences)}");

        var evidence = new List<MatchedClaim>(_claims.Count);
        foreach (var condition in _claims)
        {
            if (!condition.Judge(token.Claims, out var matched, out var mismatch)) return new Refusal(RefusalReason.NoMatchingPolicy, mismatch!);
            evidence.Add(matched!);
        }

        if (_condition is not null)
        {
            if (_condition.Mismatch(token.Claims) is { } untrue) return new Refusal(RefusalReason.NoMatchingPolicy, untrue);
            evidence.Add(new MatchedClaim("condition", "true", _condition.Text));
        }

        var name = _principal is null ? PrincipalTemplate.Checked($"{Issuer}:{token.Subject}") : _principal.Fill(token.Claims);
        if (!name.TryGet(out var principal, out var refusal) || !_context.Fill(token.Claims).TryGet(out var facts, out refusal)) return refusal;
        return new PolicyMatch(principal, evidence, facts);
    }
}

/// <summary>A policy matched: what the principal is called, which claims said so, and what the token says of its work.</summary>
public sealed record PolicyMatch(string Principal, IReadOnlyList<MatchedClaim> Evidence, IReadOnlyList<ContextFact> Context);
