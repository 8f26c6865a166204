using Lanyard.Identity.Trust;

namespace Lanyard.Server.Http;

/// <summary>What a caller is.</summary>
public enum PrincipalKind
{
    /// <summary>Holds a registered admin key.</summary>
    Admin,

    /// <summary>Was recognised by a trust policy.</summary>
    Policy,

    /// <summary>A registered runner.</summary>
    Runner,

    /// <summary>A living attempt of a run, by its runtime token: the runtime API and the exchange only.</summary>
    Run,

    /// <summary>A living machine, by its runtime token.</summary>
    Machine,

    /// <summary>The pod of an attempt, by its pod-bound service-account token: the run protocol's calls about that attempt only.</summary>
    Pod,

    /// <summary>A job on GitHub's own runner, by the runtime token that GitHub gave it: the runtime API only.</summary>
    Workflow,
}

/// <summary>In ascending order: each may do what the one before may.</summary>
public enum Role
{
    Viewer,
    Operator,
    Admin,
}

/// <summary>Where a role holds. Both null: the whole instance; only the collection null: a workspace. Ids, never slugs.</summary>
public sealed record Scope(string? WorkspaceId, string? CollectionId)
{
    public static Scope Instance { get; } = new(null, null);

    public bool Covers(string? workspaceId, string? collectionId) =>
        WorkspaceId is null || (WorkspaceId == workspaceId && (CollectionId is null || CollectionId == collectionId));
}

public sealed record RoleBinding(Scope Scope, Role Role);

/// <summary>What the verified claims say of the caller's work, where a trust policy maps them.</summary>
/// <param name="Scope">The policy's: elsewhere the fact says nothing.</param>
/// <param name="Policy">As <c>pol_…@version</c>.</param>
/// <param name="Name"><c>repository</c>, <c>ref</c> or <c>environment</c>.</param>
/// <param name="Value">Without blanks; null: the policy maps it and the token does not say it.</param>
public sealed record VerifiedFact(Scope Scope, string Policy, string Name, string? Value)
{
    public override string ToString() => Value is null ? $"{Policy} {Name}" : $"{Policy} {Name} {Value}";
}

/// <summary>
/// Who we say the caller is, and why. Made by the bearer door alone, after the whole chain; read from
/// <see cref="Microsoft.AspNetCore.Http.HttpContext.Features"/>.
/// </summary>
public sealed record Principal
{
    public required PrincipalKind Kind { get; init; }

    /// <summary>Stable name for audit and for the subject of API tokens, such as <c>admin:key_…</c>, <c>runner:rnr_…</c>, <c>policy:demo/ci:acme</c>.</summary>
    public required string Name { get; init; }

    public IReadOnlyList<RoleBinding> Roles { get; init; } = [];

    /// <summary>Of a runner, run or machine: its id. Of a pod: its run's.</summary>
    public string? SubjectId { get; init; }

    /// <summary>Of a run or pod: the attempt.</summary>
    public int? Attempt { get; init; }

    /// <summary>Of a pod: the runner that made it.</summary>
    public string? RunnerId { get; init; }

    /// <summary>The workspace that it belongs to; null for the instance's own and for shared runners.</summary>
    public string? WorkspaceId { get; init; }

    /// <summary>The trust policies that matched, as <c>pol_…@version</c>: a changed policy ends what rests on it.</summary>
    public IReadOnlyList<string> Policies { get; init; } = [];

    /// <summary>For what repository, ref and environment it works, as far as policies map it from verified claims.</summary>
    public IReadOnlyList<VerifiedFact> Context { get; init; } = [];

    /// <summary>The trust record behind it, as <c>id@version</c>; where several vouch, all of them, with spaces between.</summary>
    public string? TrustRecord { get; init; }

    /// <summary>Audiences for which a policy lets it have identity tokens.</summary>
    public IReadOnlyList<string> Audiences { get; init; } = [];

    /// <summary>Audiences on whose behalf a policy lets it introspect tokens.</summary>
    public IReadOnlyList<string> Introspects { get; init; } = [];

    /// <summary>Which policy and which claims said so, one line each; for audit and explain.</summary>
    public IReadOnlyList<string> Evidence { get; init; } = [];

    /// <summary>SHA-256 of the presented token, lower-case hex.</summary>
    public required string TokenSha256 { get; init; }

    /// <summary>Its <c>jti</c>, of our own tokens only.</summary>
    public string? TokenId { get; init; }

    /// <summary>The tokens that all of this came from, with the presented one, and the key that signed the first: who revokes one of them means what was made of it too.</summary>
    internal IReadOnlyList<string> Origin { get; init; } = [];

    /// <summary>Of a workflow: what GitHub's token says of it.</summary>
    internal WorkflowFacts? Workflow { get; init; }

    /// <summary>When the presented token expires.</summary>
    public required DateTimeOffset ExpiresAt { get; init; }

    /// <summary>Of a token that is bound to a key (RFC 9449): the key's RFC 7638 thumbprint. It is no bearer then.</summary>
    public string? Confirmation { get; init; }

    /// <summary>Of a token that somebody got to act for this principal (RFC 8693 §4.1): who, with the earlier ones inside, as JSON.</summary>
    public string? ActorJson { get; init; }

    /// <summary>What the token was narrowed to; applied already.</summary>
    internal IReadOnlyList<AccessLimit> Limits { get; init; } = [];

    /// <summary>Whether a policy gives what it gives on terms; most don't, and then nobody looks for them.</summary>
    internal bool HasTerms { get; init; }

    /// <summary>Where policies of several workspaces, or several trust records, say so: what each says. What stands above is all of them together.</summary>
    internal IReadOnlyList<PrincipalFacet> Facets { get; init; } = [];

    /// <summary>
    /// The caller as a workspace may see it: by the workspace's own policies and the instance's. Where these do not know the caller, it stays as it is: it has no
    /// role there.
    /// </summary>
    internal Principal Within(string workspaceId)
    {
        if (Facets.Count < 2) return this;
        PrincipalFacet[] own = [.. Facets.Where(facet => facet.WorkspaceId is null || facet.WorkspaceId == workspaceId)];
        return own.Length == 0 || own.Length == Facets.Count ? this : PrincipalFacet.Together(this, own);
    }
}

/// <summary>What a runtime token of GitHub's says of its job, as far as the runtime API goes by it.</summary>
/// <param name="Repository">As our record calls it, lower case.</param>
/// <param name="Ref">The own ref of the job: its first scope that it may write, else its first.</param>
/// <param name="File">The workflow's file, where the token says it.</param>
/// <param name="Scopes">Of the cache, in the order in which they are searched, with their bits (1 read, 2 write).</param>
/// <param name="ResultsUrl">Where the other services are that the job calls; null: nowhere.</param>
internal sealed record WorkflowFacts(
    string Repository, string? Ref, string? File, string? Actor, IReadOnlyList<KeyValuePair<string, int>> Scopes, Uri? ResultsUrl);

/// <summary>What one trust policy says of a caller.</summary>
/// <param name="WorkspaceId">The policy's; null: the instance's.</param>
/// <param name="TrustRecord">Under which the token was verified, as <c>id@version</c>; null where it was exchanged and this is not said.</param>
internal sealed record PrincipalFacet(
    string? WorkspaceId, string Name, string Policy, string? TrustRecord, IReadOnlyList<RoleBinding> Roles, IReadOnlyList<string> Audiences,
    IReadOnlyList<string> Introspects, IReadOnlyList<VerifiedFact> Context, IReadOnlyList<string> Evidence, PolicyTerms? Terms = null)
{
    /// <summary>The first one gives the name, and each what it gives. Who belongs to several workspaces belongs to none: their audits don't show each other's words.</summary>
    public static Principal Together(Principal principal, IReadOnlyList<PrincipalFacet> facets)
    {
        if (facets is [var only]) return Alone(principal, only, facets);
        string[] records = [.. facets.Select(facet => facet.TrustRecord).OfType<string>().Distinct(StringComparer.Ordinal)];
        return principal with
        {
            Name = facets[0].Name,
            WorkspaceId = facets.All(facet => facet.WorkspaceId == facets[0].WorkspaceId) ? facets[0].WorkspaceId : null,
            TrustRecord = records.Length == 0 ? principal.TrustRecord : string.Join(' ', records),
            Roles = [.. facets.SelectMany(facet => facet.Roles)],
            Audiences = [.. facets.SelectMany(facet => facet.Audiences).Distinct(StringComparer.Ordinal)],
            Introspects = [.. facets.SelectMany(facet => facet.Introspects).Distinct(StringComparer.Ordinal)],
            Policies = [.. facets.Select(facet => facet.Policy).Distinct(StringComparer.Ordinal)],
            Context = [.. facets.SelectMany(facet => facet.Context)],
            Evidence = [.. facets.SelectMany(facet => facet.Evidence)],
            Facets = facets,
            HasTerms = facets.Any(static facet => facet.Terms is not null),
        };
    }

    /// <summary>The usual case: nothing is to be put together.</summary>
    private static Principal Alone(Principal principal, PrincipalFacet facet, IReadOnlyList<PrincipalFacet> facets) => principal with
    {
        Name = facet.Name,
        WorkspaceId = facet.WorkspaceId,
        TrustRecord = facet.TrustRecord ?? principal.TrustRecord,
        Roles = facet.Roles,
        Audiences = facet.Audiences,
        Introspects = facet.Introspects,
        Policies = [facet.Policy],
        Context = facet.Context,
        Evidence = facet.Evidence,
        Facets = facets,
        HasTerms = facet.Terms is not null,
    };
}
