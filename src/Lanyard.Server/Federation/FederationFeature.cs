using System.Text.Json;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Server.Federation;

/// <summary>
/// Owns whom we believe: trusted issuers (<c>/v1/…/trusted-issuers</c>) with their keys, trust policies (<c>/v1/…/trust-policies</c>), the keys of
/// administrators, and the one way from a token to a principal (<see cref="Doorkeeper"/>, <see cref="BearerMiddleware"/>). What a runner or a run is, it
/// asks (<see cref="DoorQuestions"/>); it knows neither.
/// </summary>
internal static class FederationFeature
{
    public const string IssuerKind = "TrustedIssuer";
    public const string PolicyKind = "TrustPolicy";

    /// <param name="reviewSecret">32 bytes, the same on every replica: tokens that wait for a review are encrypted with it.</param>
    public static IServiceCollection AddFederation(
        this IServiceCollection services, Func<IServiceProvider, DoorQuestions> questions, Func<IServiceProvider, CollectionLookup> collections, byte[] reviewSecret)
    {
        services.AddSingleton(new ReviewSeal(reviewSecret)).AddSingleton<TokenReviews>().AddSingleton<ReviewPolls>();
        services.AddSingleton(questions).AddSingleton(collections);
        services.AddSingleton<TokenVerifier>();
        services.AddSingleton<TrustRecordStore>().AddSingleton<TrustPolicyStore>().AddSingleton<AdminKeys>().AddSingleton<TokenMemory>();
        services.AddSingleton<TrustDirectory>().AddSingleton<PolicyDirectory>();
        services.AddSingleton<Revocations>().AddSingleton<Possession>().AddSingleton<PolicyReplay>();
        services.AddSingleton<OwnTokens>().AddSingleton<ClientAssertions>().AddSingleton<WorkflowTokens>().AddSingleton<Doorkeeper>();
        services.AddSingleton<DiscoveryClient>();
        services.AddSingleton(provider => new KeySetCache(
            Keeping(provider.GetRequiredService<TrustRecordStore>(), provider), provider.GetRequiredService<DiscoveryClient>().FetchAsync, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<KeyLookup>(provider => provider.GetRequiredService<KeySetCache>().GetAsync);
        services.AddSingleton<PushedKeyStore>().AddSingleton<KeyPushes>().AddSingleton<StaleKeys>();
        services.AddHostedService<TrustWatch>();
        services.AddContent(Home.Workspace, "trusted issuers", static id => $"select slug as name from trust_records where workspace = {id} and kind = {TrustRecord.IssuerKind}");
        services.AddContent(Home.Workspace, "trust policies", static id => $"select slug as name from trust_policies where workspace = {id}");
        services.AddContent(Home.Collection, "trust policies", static id => $"select slug as name from trust_policies where collection = {id}");
        services.AddRemnant(Home.Workspace, static id => $"delete from revocations where workspace = {id}");
        return services;
    }

    public static void MapFederation(this IEndpointRouteBuilder routes)
    {
        MapKeys(routes);
        foreach (var (prefix, name) in ((string, string)[])[("/v1/workspaces/{workspace}", ""), ("/v1", "Instance")])
        {
            routes.MapPost(prefix + "/trust-policies/{policy}/replay", TrustPolicyEndpoints.ReplayAsync).WithTags("Trust").WithName($"replay{name}TrustPolicy")
                .Accepts<ReplayRequest>("application/json").Produces<ReplayReport>();
            var revocations = routes.MapGroup(prefix + "/revocations").WithTags("Trust");
            revocations.MapGet("", RevocationEndpoints.ListAsync).WithName($"list{name}Revocations").Produces<RevocationList>();
            revocations.MapPost("", RevocationEndpoints.AddAsync).WithName($"add{name}Revocation")
                .Accepts<RevocationRequest>("application/json").Produces<RevocationView>(StatusCodes.Status201Created);
            revocations.MapDelete("/{revocation}", RevocationEndpoints.RemoveAsync).WithName($"remove{name}Revocation").Produces(StatusCodes.Status204NoContent);
            var issuers = routes.MapGroup(prefix + "/trusted-issuers").WithTags("Trust");
            issuers.MapGet("", TrustedIssuerEndpoints.ListAsync).WithName($"list{name}TrustedIssuers").Produces<ResourceList<TrustedIssuerSpec>>();
            issuers.MapGet("/{issuer}", TrustedIssuerEndpoints.GetAsync).WithName($"get{name}TrustedIssuer").Produces<Resource<TrustedIssuerSpec>>();
            issuers.MapPut("/{issuer}", TrustedIssuerEndpoints.PutAsync).WithName($"put{name}TrustedIssuer").Accepts<ResourceWrite<TrustedIssuerSpec>>("application/json")
                .Produces<Resource<TrustedIssuerSpec>>().Produces<Resource<TrustedIssuerSpec>>(StatusCodes.Status201Created);
            issuers.MapDelete("/{issuer}", TrustedIssuerEndpoints.DeleteAsync).WithName($"delete{name}TrustedIssuer").Produces(StatusCodes.Status204NoContent);

            var policies = routes.MapGroup(prefix + "/trust-policies").WithTags("Trust");
            policies.MapGet("", TrustPolicyEndpoints.ListAsync).WithName($"list{name}TrustPolicies").Produces<ResourceList<JsonElement>>();
            policies.MapGet("/{policy}", TrustPolicyEndpoints.GetAsync).WithName($"get{name}TrustPolicy").Produces<Resource<JsonElement>>();
            policies.MapPut("/{policy}", TrustPolicyEndpoints.PutAsync).WithName($"put{name}TrustPolicy").Accepts<ResourceWrite<JsonElement>>("application/json")
                .Produces<Resource<JsonElement>>().Produces<Resource<JsonElement>>(StatusCodes.Status201Created);
            policies.MapDelete("/{policy}", TrustPolicyEndpoints.DeleteAsync).WithName($"delete{name}TrustPolicy").Produces(StatusCodes.Status204NoContent);
        }
    }

    private static void MapKeys(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/keys", PushedKeyEndpoints.PushAsync).ExcludeFromDescription();
        routes.MapPost("/keys/reviews", ReviewEndpoints.PollAsync).ExcludeFromDescription();
        var pushed = routes.MapGroup("/v1/workspaces/{workspace}/pushed-keys").WithTags("Trust");
        pushed.MapGet("", PushedKeyEndpoints.ListAsync).WithName("listPushedKeys").Produces<PushedKeysList>();
        pushed.MapPost("/{record}/approve", PushedKeyEndpoints.ApproveAsync).WithName("approvePushedKeys")
            .Accepts<PushedKeysApproval>("application/json").Produces<PushedKeysView>();

        var admins = routes.MapGroup("/v1/admin-keys").WithTags("Trust");
        admins.MapGet("", AdminKeyEndpoints.ListAsync).WithName("listAdminKeys").Produces<AdminKeyList>();
        admins.MapPost("", AdminKeyEndpoints.AddAsync).WithName("addAdminKey").Accepts<AdminKeyRequest>("application/json").Produces<AdminKeyView>(StatusCodes.Status201Created);
        admins.MapDelete("/{key}", AdminKeyEndpoints.RemoveAsync).WithName("removeAdminKey").Produces(StatusCodes.Status204NoContent);
    }

    /// <summary>The alarm is asked for when it is needed: it knows the directory, which knows nobody.</summary>
    private static KeyKeeping Keeping(TrustRecordStore store, IServiceProvider provider) => new(
        async (record, cancellation) => await store.FindKeysAsync(record, cancellation) is { } keys ? new KeptKeys(keys.Jwks, keys.FetchedAt) : null,
        (issuer, keys, cancellation) => store.KeepFetchedAsync(issuer.Id, issuer.Issuer, keys.Jwks, keys.FetchedAt, cancellation),
        _ => store.Changed(),
        (issuer, refusal) => provider.GetRequiredService<StaleKeys>().NotRefreshedAsync(issuer, refusal, CancellationToken.None));
}
