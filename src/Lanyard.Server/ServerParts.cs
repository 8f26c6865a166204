using Lanyard.Identity;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Server.Clusters;
using Lanyard.Server.Collections;
using Lanyard.Server.Exchange;
using Lanyard.Server.Federation;
using Lanyard.Server.Http;
using Lanyard.Server.Issuers;
using Lanyard.Server.Machines;
using Lanyard.Server.Machines.Identities;
using Lanyard.Server.Runners;
using Lanyard.Server.Runs;
using Lanyard.Server.Workspaces;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Server;

/// <summary>
/// What the rooms ask of each other and must not know: each question is a function, and here they are handed in. The only place besides
/// <see cref="ServerProgram"/> that knows every room.
/// </summary>
internal static class ServerParts
{
    /// <summary>Asked by the bearer door.</summary>
    public static DoorQuestions DoorQuestions(IServiceProvider provider)
    {
        var ring = provider.GetRequiredService<KeyRing>();
        // The liveness of runs and the directory of runners are made on first use: their stores need what the door needs too.
        var runners = new Lazy<RunnerDirectory>(provider.GetRequiredService<RunnerDirectory>);
        var liveness = new Lazy<AttemptLiveness>(provider.GetRequiredService<AttemptLiveness>);
        var pods = new Lazy<PodStore>(provider.GetRequiredService<PodStore>);
        var machines = new Lazy<MachineDirectory>(provider.GetRequiredService<MachineDirectory>);
        return new DoorQuestions(
            InstanceKeys: async (kid, cancellation) => (await ring.GetForAsync(KeyRing.InstanceOwner, kid, cancellation)).Public,
            PodOf: async (token, cancellation) => PodClaims.Of(token) is { } claims && await pods.Value.FindAsync(token.TrustRecordId, claims, cancellation) is { } pod
                ? new KnownPod(pod.Run, pod.Attempt, pod.Runner, pod.Workspace)
                : null,
            RunnerOf: async (token, cancellation) => Known(await runners.Value.FindAsync(token.TrustRecordId, token.Subject, cancellation)),
            RunnerById: async (id, cancellation) => Known((await runners.Value.FindActiveAsync(id, null, cancellation))?.Runner),
            RunnerKey: async (clientId, cancellation) => await RunnerKeyAsync(runners.Value, clientId, cancellation),
            IsAlive: async (kind, id, attempt, cancellation) => kind switch
            {
                PrincipalKind.Run => attempt is { } number && await liveness.Value.IsAliveAsync(id, number, cancellation),
                PrincipalKind.Pod => attempt is { } number && await liveness.Value.IsHeldAsync(id, number, cancellation),
                PrincipalKind.Machine => await machines.Value.FindAliveAsync(id, cancellation) is not null,
                _ => false,
            });
    }

    /// <summary>Asked by the trust policies' resource.</summary>
    public static CollectionLookup CollectionLookup(IServiceProvider provider)
    {
        var collections = provider.GetRequiredService<CollectionDirectory>();
        var workspaces = provider.GetRequiredService<WorkspaceDirectory>();
        return new CollectionLookup(
            (workspaceId, slug) => workspaces.FindById(workspaceId) is { } workspace ? collections.Find(workspace, slug)?.Id : null,
            id => collections.FindById(id)?.Slug);
    }

    /// <summary>Asked by the exchange.</summary>
    public static ExchangeQuestions ExchangeQuestions(IServiceProvider provider)
    {
        var identity = provider.GetRequiredService<RunIdentity>();
        var liveness = provider.GetRequiredService<AttemptLiveness>();
        var uses = provider.GetRequiredService<SubjectUses>();
        var runners = provider.GetRequiredService<RunnerStore>();
        var machines = provider.GetRequiredService<MachineIdentityTokens>();
        return new ExchangeQuestions(
            RunIdentity: async (run, attempt, audience, template, cancellation) =>
                (await identity.GrantAsync(run, attempt, audience, template, step: null, cancellation)).TryGet(out var grant, out var refusal) ? Grant(grant, uses) : refusal,
            MachineIdentity: async (machine, audience, cancellation) =>
                (await machines.GrantAsync(machine, audience, cancellation)).TryGet(out var grant, out var refusal) ? Grant(grant) : refusal,
            IsAlive: liveness.IsAliveAsync,
            IsMachineAlive: machines.IsAliveAsync,
            RunnerBySlug: async (workspaceId, slug, cancellation) => Known(await runners.FindBySlugAsync(workspaceId, slug, cancellation)));
    }

    /// <summary>Asked by clusters: trust is written with the cluster, in one transaction.</summary>
    public static ClusterTrust ClusterTrust(IServiceProvider provider)
    {
        var store = provider.GetRequiredService<TrustRecordStore>();
        var memory = provider.GetRequiredService<TokenMemory>();
        var discovery = provider.GetRequiredService<DiscoveryClient>();
        var policies = provider.GetRequiredService<PolicyDirectory>();
        var runners = provider.GetRequiredService<RunnerStore>();
        return new ClusterTrust(
            Put: (transaction, record, cancellation) => store.PutAsync(transaction, ClusterRecords.Of(record), record.Jwks, cancellation),
            Remove: store.RemoveAsync,
            TryUse: memory.TryUseAsync,
            FetchKeys: discovery.FetchAsync,
            Resting: async (cluster, cancellation) =>
            {
                var resting = new Dictionary<string, string>(StringComparer.Ordinal);
                var naming = await policies.NamingAsync(cluster.WorkspaceId, KnownIssuer.ClusterPrefix + cluster.Slug, cancellation);
                if (naming.Count > 0) resting["policies"] = string.Join(' ', naming);
                var proven = await runners.ProvenByAsync(cluster.WorkspaceId, cluster.Id, cancellation);
                if (proven.Count > 0) resting["runners"] = string.Join(' ', proven);
                return resting.Count > 0 ? resting : null;
            });
    }

    /// <summary>Asked by runs: the token that an attempt's payload carries.</summary>
    public static MintRuntimeToken MintRuntimeToken(IServiceProvider provider)
    {
        var mint = provider.GetRequiredService<Mint>();
        return (run, attempt, workspaceId, expires, cancellation) => mint.RuntimeTokenAsync(PrincipalKind.Run, run, attempt, workspaceId, expires, cancellation);
    }

    /// <summary>Asked by runners: the trust record of a cluster, which has the cluster's id.</summary>
    public static FindCluster FindCluster(IServiceProvider provider)
    {
        var store = provider.GetRequiredService<TrustRecordStore>();
        return async (workspaceId, slug, cancellation) => (await store.FindAsync(workspaceId, TrustRecord.ClusterKind, slug, cancellation))?.Id;
    }

    /// <summary>Asked by runners: the trust policy that a platform's token must match.</summary>
    public static FindPolicy FindPolicy(IServiceProvider provider)
    {
        var policies = provider.GetRequiredService<PolicyDirectory>();
        return async (workspaceId, slug, cancellation) =>
            (await policies.RecordsAsync(cancellation)).FirstOrDefault(policy => policy.WorkspaceId == workspaceId && policy.Slug == slug)?.Id;
    }

    /// <summary>Asked by runners: a host's key signed the assertion that came with it.</summary>
    public static JudgeRunnerKey JudgeRunnerKey(IServiceProvider provider)
    {
        var assertions = provider.GetRequiredService<ClientAssertions>();
        return assertions.JudgeStrangerAsync;
    }

    private static async ValueTask<(VerificationKey Key, KnownRunner Runner)?> RunnerKeyAsync(RunnerDirectory runners, string clientId, CancellationToken cancellation)
    {
        if (await runners.FindByKeyAsync(clientId["key_".Length..], cancellation) is not { PublicJwk: { } jwk } runner) return null;
        using var document = System.Text.Json.JsonDocument.Parse(jwk);
        return VerificationKey.FromJwk(document.RootElement).TryGet(out var key, out _) ? (key, Known(runner)!) : null;
    }

    private static KnownRunner? Known(RunnerRecord? runner) => runner is null ? null : new KnownRunner(runner.Id, runner.Workspace, runner.PolicyId);

    private static Outcome<IdentityGrant> Grant(RunIdentityGrant grant, SubjectUses uses) => new IdentityGrant(
        grant.WorkspaceId,
        grant.Workspace,
        grant.Subject,
        grant.Algorithm == "ES256" ? SignatureAlgorithm.ES256 : SignatureAlgorithm.RS256,
        grant.Lifetime,
        claims => Describe(claims, grant.Claims),
        grant.Use.Template,
        () => uses.Count(grant.Use));

    private static Outcome<IdentityGrant> Grant(MachineGrant grant) => new IdentityGrant(
        grant.WorkspaceId, grant.Workspace, grant.Subject, SignatureAlgorithm.RS256, null,
        claims =>
        {
            claims.Set(ClaimNames.Workspace, grant.Workspace).Set(ClaimNames.WorkspaceId, grant.WorkspaceId)
                .Set(ClaimNames.Machine, grant.Machine.Id).Set(ClaimNames.MachineIdentity, grant.Identity);
            if (grant.Machine.Repository is { } repository) claims.Set(ClaimNames.Repository, repository);
            if (grant.Machine.Ref is { } gitRef) claims.Set(ClaimNames.Ref, gitRef);
        });

    private static void Describe(TokenClaims claims, IReadOnlyDictionary<string, object> values)
    {
        foreach (var (name, value) in values)
        {
            _ = value switch
            {
                string text => claims.Set(name, text),
                long number => claims.Set(name, number),
                bool flag => claims.Set(name, flag),
                _ => throw new InvalidOperationException($"claim {name} is a {value.GetType().Name}"),
            };
        }
    }
}
