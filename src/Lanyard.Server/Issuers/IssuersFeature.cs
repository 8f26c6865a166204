using Lanyard.Protocol.Resources;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Server.Issuers;

/// <summary>
/// Owns our issuers: the instance's at the public URL and one for each workspace at <c>/oidc/{workspace}</c>. Their signing keys
/// (<see cref="KeyRing"/>, <see cref="KeySchedule"/>), what they publish (OpenID Connect Discovery 1.0 §4, RFC 8414 §3, RFC 7517 §5), and the minting
/// of tokens (<see cref="Mint"/>). It does not know who asks for a token, nor why.
/// </summary>
internal static class IssuersFeature
{
    public static IServiceCollection AddIssuers(this IServiceCollection services, KeyEncryption encryption, KeySchedule schedule)
    {
        services.AddSingleton(encryption);
        services.AddSingleton(schedule);
        services.AddSingleton<SigningKeyStore>();
        services.AddSingleton<KeyRing>();
        services.AddSingleton<Mint>();
        services.AddHostedService<KeyTender>();
        return services;
    }

    public static void MapIssuers(this IEndpointRouteBuilder routes)
    {
        // Public by nature: whoever gets a token must be able to check it.
        var published = routes.MapGroup("").WithTags("Issuers").ExcludeFromDescription();
        published.MapGet("/.well-known/openid-configuration", PublishedEndpoints.Instance);
        published.MapGet("/.well-known/oauth-authorization-server", PublishedEndpoints.Instance);
        published.MapGet("/jwks", PublishedEndpoints.InstanceJwksAsync);
        published.MapGet("/oidc/{workspace}/.well-known/openid-configuration", PublishedEndpoints.Workspace);
        published.MapGet("/.well-known/oauth-authorization-server/oidc/{workspace}", PublishedEndpoints.Workspace);
        published.MapGet("/oidc/{workspace}/jwks", PublishedEndpoints.WorkspaceJwksAsync);

        var managed = routes.MapGroup("/v1").WithTags("Issuers");
        managed.MapGet("/issuer", IssuerEndpoints.ShowInstanceAsync).WithName("getInstanceIssuer").Produces<IssuerView>();
        managed.MapPost("/issuer/rotate", IssuerEndpoints.RotateInstanceAsync).WithName("rotateInstanceIssuer")
            .Accepts<RotateRequest>("application/json").Produces<IssuerView>();
        managed.MapGet("/workspaces/{workspace}/issuer", IssuerEndpoints.ShowAsync).WithName("getIssuer").Produces<IssuerView>();
        managed.MapPost("/workspaces/{workspace}/issuer/rotate", IssuerEndpoints.RotateAsync).WithName("rotateIssuer")
            .Accepts<RotateRequest>("application/json").Produces<IssuerView>();
    }
}
