namespace Lanyard.Cli.TrustPolicies;

/// <summary>What the other side must be told: whose tokens, for whom, and which subject.</summary>
/// <param name="Subject">Exact.</param>
/// <param name="WorkspaceId">The tenant, which no other owner can get again.</param>
internal sealed record TrustSide(string Issuer, string Audience, string Subject, string WorkspaceId, string Name)
{
    /// <summary>The issuer without its scheme, as AWS names a provider and its condition keys.</summary>
    public string Host => Issuer[(Issuer.IndexOf("://", StringComparison.Ordinal) + 3)..];
}
