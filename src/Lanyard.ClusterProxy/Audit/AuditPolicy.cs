using Lanyard.ClusterProxy.Requests;

namespace Lanyard.ClusterProxy.Audit;

/// <summary>audit.k8s.io/v1 Level. The proxy sees no decoded objects: Request and RequestResponse record what Metadata does, under their own name.</summary>
internal enum AuditLevel
{
    None,
    Metadata,
    Request,
    RequestResponse,
}

/// <summary>audit.k8s.io/v1 Stage.</summary>
[Flags]
internal enum AuditStages
{
    None = 0,
    RequestReceived = 1,
    ResponseStarted = 2,
    ResponseComplete = 4,
    Panic = 8,
}

/// <summary>audit.k8s.io/v1 GroupResources.</summary>
internal sealed record AuditResources(string Group, IReadOnlyList<string> Resources, IReadOnlyList<string> Names)
{
    public bool Match(RequestInfo request)
    {
        if (Group != request.Group || (Resources.Count > 0 && Names.Count > 0 && !Names.Contains(request.Name)))
        {
            return false;
        }

        var whole = request.Subresource.Length == 0 ? request.Resource : $"{request.Resource}/{request.Subresource}";
        return Resources.Count == 0 || Resources.Any(r => r == "*" || r == whole
            || (request.Subresource.Length > 0 && r == $"*/{request.Subresource}")
            || r == $"{request.Resource}/*");
    }
}

/// <summary>audit.k8s.io/v1 PolicyRule. The first that matches decides.</summary>
internal sealed record AuditRule(AuditLevel Level)
{
    public IReadOnlyList<string> Users { get; init; } = [];

    public IReadOnlyList<string> UserGroups { get; init; } = [];

    public IReadOnlyList<string> Verbs { get; init; } = [];

    public IReadOnlyList<string> Namespaces { get; init; } = [];

    public IReadOnlyList<AuditResources> Resources { get; init; } = [];

    public IReadOnlyList<string> Urls { get; init; } = [];

    public AuditStages Omit { get; init; }

    /// <param name="user">Null for a request of nobody.</param>
    public bool Match(RequestInfo request, string? user, IReadOnlyList<string> groups)
    {
        if ((Users.Count > 0 && (user is null || !Users.Contains(user)))
            || (UserGroups.Count > 0 && !UserGroups.Any(groups.Contains))
            || (Verbs.Count > 0 && !Verbs.Contains(request.Verb)))
        {
            return false;
        }

        if (Namespaces.Count > 0 || Resources.Count > 0)
        {
            return request.IsResource
                && (Namespaces.Count == 0 || Namespaces.Contains(request.Namespace))
                && (Resources.Count == 0 || Resources.Any(r => r.Match(request)));
        }

        return Urls.Count == 0 || (!request.IsResource && Urls.Any(u => u == "*" || u == request.Path
            || (u.EndsWith('*') && request.Path.StartsWith(u.TrimEnd('*'), StringComparison.Ordinal))));
    }
}

/// <summary>audit.k8s.io/v1 Policy. A request that no rule matches is not recorded.</summary>
internal sealed record AuditPolicy(IReadOnlyList<AuditRule> Rules, AuditStages Omit)
{
    public (AuditLevel Level, AuditStages Omit) Judge(RequestInfo request, string? user, IReadOnlyList<string> groups)
    {
        foreach (var rule in Rules)
        {
            if (rule.Match(request, user, groups))
            {
                return (rule.Level, rule.Omit | Omit);
            }
        }

        return (AuditLevel.None, Omit);
    }
}
