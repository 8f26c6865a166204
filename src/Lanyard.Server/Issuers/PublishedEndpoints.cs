using Lanyard.Protocol.OAuth;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Issuers;

/// <summary>Discovery documents and key sets.</summary>
internal static class PublishedEndpoints
{
    /// <summary>Relying parties may keep what we publish for this long; a next key is published for far longer before it signs.</summary>
    private const string CacheControl = "public, max-age=300";

    private static readonly string[] Claims =
    [
        "iss", "sub", "aud", "iat", "nbf", "exp", "jti", "instance", "workspace", "workspace_id", "collection", "collection_id", "definition", "definition_id",
        "definition_uuid", "run", "attempt", "phase", "runner", "runner_id", "runner_shared", "repository", "ref", "environment", "actor",
    ];

    public static IResult Instance(HttpContext context, Instance instance) => Metadata(context, instance.Url, ["ES256"]);

    public static IResult Workspace(string workspace, HttpContext context, WorkspaceDirectory workspaces, Instance instance) =>
        workspaces.Find(workspace) is null ? Missing(workspace) : Metadata(context, instance.WorkspaceIssuer(workspace), ["RS256", "ES256"]);

    public static async Task<IResult> InstanceJwksAsync(HttpContext context, KeyRing ring) =>
        Jwks(context, await ring.GetAsync(KeyRing.InstanceOwner, context.RequestAborted));

    public static async Task<IResult> WorkspaceJwksAsync(string workspace, HttpContext context, WorkspaceDirectory workspaces, KeyRing ring) =>
        workspaces.Find(workspace) is { } entry ? Jwks(context, await ring.GetAsync(entry.Id, context.RequestAborted)) : Missing(workspace);

    private static IResult Metadata(HttpContext context, string issuer, IReadOnlyList<string> algorithms)
    {
        context.Response.Headers.CacheControl = CacheControl;
        var metadata = new ProviderMetadata(
            issuer,
            issuer + "/jwks",
            issuer + "/token",
            issuer + "/introspect",
            issuer + "/revoke",
            ResponseTypesSupported: ["none"],
            SubjectTypesSupported: ["public"],
            IdTokenSigningAlgValuesSupported: algorithms,
            GrantTypesSupported: [OAuthNames.GrantTokenExchange, OAuthNames.GrantClientCredentials],
            TokenEndpointAuthMethodsSupported: ["private_key_jwt", "none"],
            TokenEndpointAuthSigningAlgValuesSupported: ["ES256", "RS256"],
            ClaimsSupported: Claims,
            ScopesSupported: ["openid"],
            DpopSigningAlgValuesSupported: ["ES256", "ES384", "ES512", "RS256"]);
        return Results.Json(metadata, OAuthJson.Default.ProviderMetadata);
    }

    private static IResult Jwks(HttpContext context, OwnerKeys keys)
    {
        context.Response.Headers.CacheControl = CacheControl;
        return Results.Bytes(keys.Jwks, "application/jwk-set+json");
    }

    private static Refused Missing(string workspace) => new(Access.Missing($"no workspace {workspace}"));
}
