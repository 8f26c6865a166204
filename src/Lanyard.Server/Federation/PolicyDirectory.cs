using System.Collections.Frozen;
using System.Text;
using Lanyard.Identity;
using Lanyard.Identity.Tokens;
using Lanyard.Identity.Trust;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Federation;

/// <summary>A trust policy, compiled, with its roles bound to its place.</summary>
internal sealed class KnownPolicy
{
    public KnownPolicy(TrustPolicyRecord record, TrustPolicy policy)
    {
        (Record, Policy) = (record, policy);
        Versioned = $"{record.Id}@{record.Version}";
        var scope = new Scope(record.WorkspaceId, record.CollectionId);
        Terms = policy.Terms;
        Roles = [.. policy.Roles.Select(role => new RoleBinding(scope, Enum.Parse<Role>(role, ignoreCase: true)))];
    }

    public TrustPolicyRecord Record { get; }

    public TrustPolicy Policy { get; }

    /// <summary><c>id@version</c>: what API tokens name.</summary>
    public string Versioned { get; }

    public string? WorkspaceId => Record.WorkspaceId;

    /// <summary>Null where it has none.</summary>
    public PolicyTerms? Terms { get; }

    public IReadOnlyList<RoleBinding> Roles { get; }

    public IReadOnlyList<string> Audiences => Policy.AllowedAudiences;

    /// <summary>A workspace's record is for that workspace's policies only; the instance's may be used by every workspace.</summary>
    public bool IsFor(KnownIssuer issuer) =>
        Policy.Issuer == issuer.PolicyName && (issuer.Record.WorkspaceId is null || issuer.Record.WorkspaceId == WorkspaceId);

    /// <summary>A fact counts where the policy does.</summary>
    public VerifiedFact Fact(string name, string? value) => new(new Scope(Record.WorkspaceId, Record.CollectionId), Versioned, name, value);
}

internal sealed record PolicyHit(KnownPolicy Policy, string PrincipalName, IReadOnlyList<string> Evidence, IReadOnlyList<VerifiedFact> Context);

/// <summary>All trust policies in memory, compiled, by the trust record's slug; read anew when a write on any replica says so.</summary>
internal sealed class PolicyDirectory : IDisposable
{
    private readonly TrustPolicyStore _store;
    private readonly AuditLog _audit;
    private readonly ILogger<PolicyDirectory> _log;
    private readonly Reloadable<Snapshot> _policies;

    public PolicyDirectory(TrustPolicyStore store, AuditLog audit, ILogger<PolicyDirectory> log)
    {
        (_store, _audit, _log) = (store, audit, log);
        _policies = new Reloadable<Snapshot>(LoadAsync);
    }

    /// <summary>Step 9: every policy for the token's trust record that matches, in the order of their making.</summary>
    /// <param name="workspaceId">Only policies of that workspace; null: all.</param>
    /// <param name="only">For explain: only the policy of that slug.</param>
    /// <returns>The hits; where there is none, the refusal that names the policy that came nearest.</returns>
    public async ValueTask<(IReadOnlyList<PolicyHit> Hits, Refusal? Refusal)> MatchAsync(
        VerifiedToken token, KnownIssuer issuer, string? workspaceId, Trace? trace, CancellationToken cancellation, string? only = null)
    {
        var hits = new List<PolicyHit>();
        Refusal? nearest = null;
        var index = (await _policies.GetAsync(cancellation)).ByIssuer.GetValueOrDefault(issuer.PolicyName);
        bool IsAsked(KnownPolicy known) => known.IsFor(issuer) && (workspaceId is null || known.WorkspaceId == workspaceId);
        // Who asks for a trace is told of every policy; otherwise those that can't match are not asked.
        var candidates = index is null ? [] : trace is null ? index.Candidates(token.Claims) : index.All;
        foreach (var known in candidates)
        {
            if (!IsAsked(known)) continue;
            if (only is not null && known.Record.Slug != only) continue;
            var outcome = known.Policy.Match(token);
            trace?.Consider(new ConsideredPolicy(
                known.Record.Slug, !outcome.IsRefused && known.Terms is not { IsAuditOnly: true }, outcome.IsRefused ? outcome.Refusal.Detail : null, known.Policy.Change(token.Claims)));
            if (outcome.TryGet(out var match, out var refusal))
            {
                if (known.Terms is { IsAuditOnly: true })
                {
                    nearest = await OnlyAuditedAsync(known, match, trace);
                    continue;
                }

                IReadOnlyList<string> evidence = [.. match.Evidence.Select(e => $"policy {known.Record.Slug}: {e.Claim} is {e.Value}, wanted {e.Wanted}")];
                hits.Add(new PolicyHit(known, $"policy:{match.Principal}", evidence, [.. match.Context.Select(f => known.Fact(f.Name, f.Value))]));
                trace?.Pass(Stage.Policy, $"policy {known.Record.Slug} matches: {string.Join("; ", evidence)}");
            }
            else
            {
                nearest = new Refusal(refusal.Reason, $"policy {known.Record.Slug}: {refusal.Detail}");
                if (hits.Count == 0) trace?.Refuse(nearest);
            }
        }

        if (hits.Count > 0) return (hits, null);
        nearest ??= index?.All.LastOrDefault(IsAsked) is { } last && last.Policy.Match(token) is { IsRefused: true } why && only is null
            ? new Refusal(why.Refusal.Reason, $"policy {last.Record.Slug}: {why.Refusal.Detail}")
            : null;
        if (nearest is not null) return (hits, nearest);
        var none = new Refusal(RefusalReason.NoMatchingPolicy, only is null ? $"no trust policy is for {issuer.PolicyName}" : $"no trust policy {only} is for {issuer.PolicyName}");
        trace?.Refuse(none);
        return (hits, none);
    }

    /// <summary>The policy would let the token in: that is written down, for whoever is about to enforce it, and gives nothing.</summary>
    private async ValueTask<Refusal> OnlyAuditedAsync(KnownPolicy known, PolicyMatch match, Trace? trace)
    {
        var refusal = new Refusal(RefusalReason.NoMatchingPolicy, $"policy {known.Record.Slug} matches and is for audit only (mode: audit): it gives nothing");
        trace?.Refuse(refusal);
        if (trace is not null) return refusal;
        await _audit.RecordAsync(new AuditEvent("trust-policy.would-allow")
        {
            WorkspaceId = known.WorkspaceId,
            CollectionId = known.Record.CollectionId,
            Target = known.Record.Id,
            Details = new Dictionary<string, string> { ["policy"] = known.Record.Slug, ["principal"] = $"policy:{match.Principal}" },
        });
        return refusal;
    }

    /// <summary>Those of the named versions that still stand.</summary>
    public async ValueTask<IReadOnlyList<KnownPolicy>> StandingAsync(IReadOnlyList<string> versioned, CancellationToken cancellation)
    {
        var snapshot = await _policies.GetAsync(cancellation);
        return [.. versioned.Select(v => snapshot.ByVersion.GetValueOrDefault(v)).OfType<KnownPolicy>().Where(known => known.Terms is not { IsAuditOnly: true })];
    }

    /// <summary>The slugs of those that name a record of that place: of its workspace, or of every place where it is the instance's (null).</summary>
    /// <param name="policyName">As <see cref="KnownIssuer.PolicyName"/>.</param>
    public async ValueTask<IReadOnlyList<string>> NamingAsync(string? workspaceId, string policyName, CancellationToken cancellation) =>
        (await _policies.GetAsync(cancellation)).ByIssuer.GetValueOrDefault(policyName) is { } index
            ? [.. index.All.Where(known => workspaceId is null || workspaceId == known.WorkspaceId).Select(static known => known.Record.Slug).Order(StringComparer.Ordinal)]
            : [];

    /// <summary>As they are in the database, compiled or not; for the resource's own endpoints.</summary>
    public async ValueTask<IReadOnlyList<TrustPolicyRecord>> RecordsAsync(CancellationToken cancellation) => (await _policies.GetAsync(cancellation)).Records;

    public void Forget() => _policies.Forget();

    public void Dispose() => _policies.Dispose();

    private async Task<Snapshot> LoadAsync(CancellationToken cancellation)
    {
        var records = await _store.ListAsync(cancellation);
        return new Snapshot(records, [.. records.Select(TryCompile).OfType<KnownPolicy>()]);
    }

    private KnownPolicy? TryCompile(TrustPolicyRecord record)
    {
        var (policy, mistakes) = TrustPolicy.Parse(Encoding.UTF8.GetBytes(record.SpecJson));
        if (policy is not null) return new KnownPolicy(record, policy);
        // Written by a newer version, or by hand: such a policy matches nobody.
        _log.PolicyUnusable(record.Id, string.Join("; ", mistakes.Select(m => $"{m.Path}: {m.Text}")));
        return null;
    }

    private sealed class Snapshot(IReadOnlyList<TrustPolicyRecord> records, IReadOnlyList<KnownPolicy> all)
    {
        public IReadOnlyList<TrustPolicyRecord> Records { get; } = records;

        public FrozenDictionary<string, PolicyIndex<KnownPolicy>> ByIssuer { get; } = all.GroupBy(p => p.Policy.Issuer, StringComparer.Ordinal)
            .ToFrozenDictionary(g => g.Key, g => new PolicyIndex<KnownPolicy>([.. g], static known => known.Policy), StringComparer.Ordinal);

        public FrozenDictionary<string, KnownPolicy> ByVersion { get; } = all.ToFrozenDictionary(p => p.Versioned, StringComparer.Ordinal);
    }
}
