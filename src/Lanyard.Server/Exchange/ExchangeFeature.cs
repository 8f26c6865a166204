using Lanyard.Server.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Server.Exchange;

/// <summary>
/// Owns the token endpoints of every issuer: <c>/token</c> (RFC 8693 exchange, RFC 7523 client assertions), <c>/introspect</c> (RFC 7662),
/// <c>/revoke</c> (RFC 7009), and <c>/v1/explain</c>, which shows every step of the chain. What a run may have is asked of
/// <see cref="ExchangeQuestions"/>; it does not know runs.
/// </summary>
internal static class ExchangeFeature
{
    public static IServiceCollection AddExchange(this IServiceCollection services, GitHubApps? apps = null)
    {
        services.AddSingleton(apps ?? GitHubApps.None);
        services.AddSingleton<TokenExchange>();
        services.AddSingleton<TokenStanding>().AddSingleton<Introspection>();
        services.AddSingleton<GitHubTokens>();
        services.AddSingleton<PrincipalRates>().AddSingleton<ExchangeTerms>().AddSingleton<Downscoping>();
        return services;
    }

    public static void MapExchange(this IEndpointRouteBuilder routes)
    {
        foreach (var prefix in (string[])["", "/oidc/{workspace}"])
        {
            var group = routes.MapGroup(prefix).WithDialect(ErrorDialect.OAuth).WithTags("Tokens").ExcludeFromDescription();
            group.MapPost("/token", TokenEndpoints.TokenAsync);
            group.MapPost("/introspect", TokenEndpoints.IntrospectAsync);
            group.MapPost("/revoke", TokenEndpoints.RevokeAsync);
        }

        routes.MapPost("/v1/workspaces/{workspace}/github-tokens", GitHubEndpoints.MintAsync).WithTags("Tokens").WithName("makeGitHubToken")
            .Accepts<Protocol.Resources.GitHubTokenRequest>("application/json").Produces<Protocol.Resources.GitHubToken>();
        routes.MapPost("/v1/workspaces/{workspace}/explain", ExplainEndpoints.ExplainAsync).WithTags("Explain").WithName("explainInWorkspace")
            .Accepts<Protocol.OAuth.ExplainRequest>("application/json").Produces<Protocol.OAuth.Explanation>();
        routes.MapPost("/v1/explain", ExplainEndpoints.ExplainAsync).WithTags("Explain").WithName("explain")
            .Accepts<Protocol.OAuth.ExplainRequest>("application/json").Produces<Protocol.OAuth.Explanation>();
    }
}
