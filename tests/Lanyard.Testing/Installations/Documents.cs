namespace Lanyard.Testing.Installations;

/// <summary>Builds the resources that tests apply, as people write them.</summary>
public static class Documents
{
    public static string Workspace(string slug, string? defaultAudience = null) => $$"""
        kind: Workspace
        metadata: {slug: {{slug}}}
        spec: {displayName: {{slug}}{{(defaultAudience is null ? "" : $", defaultAudience: '{defaultAudience}'")}}}
        """;

    public static string Collection(string workspace, string slug) => $$"""
        kind: Collection
        metadata: {workspace: {{workspace}}, slug: {{slug}}}
        spec: {}
        """;

    /// <param name="bash">Of the one step.</param>
    /// <param name="more">Further members of the spec, a line each.</param>
    public static string Definition(string workspace, string collection, string slug, string bash, string more = "audiences: []", string oidc = "") => $$"""
        kind: Definition
        metadata: {workspace: {{workspace}}, collection: {{collection}}, slug: {{slug}}}
        spec:
          {{more}}
          steps:
            - name: main
              argv: [bash, -euc, {{System.Text.Json.JsonSerializer.Serialize(bash)}}]
              {{oidc}}
        """;

    public static string ClusterRunner(string workspace, string slug, string cluster, string subject, params string[] collections) => $$"""
        kind: Runner
        metadata: {workspace: {{workspace}}, slug: {{slug}}}
        spec:
          collections: [{{string.Join(", ", collections)}}]
          identity: {cluster: {{cluster}}, subject: '{{subject}}'}
        """;

    /// <summary>An issuer of whose keys the server has been told, so that it fetches nothing.</summary>
    public static string TrustedIssuer(string workspace, string slug, TestIssuer issuer) => $$"""
        kind: TrustedIssuer
        metadata: {workspace: {{workspace}}, slug: {{slug}}}
        spec:
          issuer: '{{issuer.Issuer}}'
          keys: {jwks: {{issuer.Jwks}}}
        """;

    /// <param name="allow">Such as <c>roles: [viewer]</c>.</param>
    public static string TrustPolicy(string workspace, string? collection, string slug, string issuer, string subject, string allow) => $$"""
        kind: TrustPolicy
        metadata: {workspace: {{workspace}}, {{(collection is null ? "" : $"collection: {collection}, ")}}slug: {{slug}}}
        spec:
          issuer: {{issuer}}
          claims: {sub: '{{subject}}'}
          allow: {{{allow}}}
        """;
}
