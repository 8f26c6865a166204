using System.Collections.Frozen;
using Lanyard.Identity.Federation;
using Lanyard.Protocol.Resources;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Federation;

/// <summary>A trust record, compiled.</summary>
/// <param name="Workflows">Where it is for GitHub's runtime tokens.</param>
/// <param name="IsReviewed">Its cluster's API server is asked about each token (<see cref="TokenReviews"/>).</param>
internal sealed record KnownIssuer(TrustRecord Record, TrustedIssuer Issuer, WorkflowTrustSpec? Workflows = null, bool IsReviewed = false)
{
    public string Versioned { get; } = $"{Record.Id}@{Record.Version}";

    /// <summary>Before the slug of a cluster, where a trust policy names it.</summary>
    public const string ClusterPrefix = "cluster/";

    /// <summary>What a trust policy calls it.</summary>
    public string PolicyName { get; } = Record.Kind == TrustRecord.ClusterKind ? ClusterPrefix + Record.Slug : Record.Slug;
}

/// <summary>
/// All trust records in memory, by exact issuer string, so that step 3 of the chain needs neither database nor network. Read anew when a
/// write on any replica says so.
/// </summary>
internal sealed class TrustDirectory : IDisposable
{
    private readonly TrustRecordStore _store;
    private readonly ILogger<TrustDirectory> _log;
    private readonly Reloadable<Snapshot> _records;

    public TrustDirectory(TrustRecordStore store, ILogger<TrustDirectory> log)
    {
        (_store, _log) = (store, log);
        _records = new Reloadable<Snapshot>(LoadAsync);
    }

    /// <summary>The records that believe this issuer string.</summary>
    /// <param name="workspaceId">Only that workspace's and the instance's; null: all.</param>
    public async ValueTask<IReadOnlyList<KnownIssuer>> ByIssuerAsync(string issuer, string? workspaceId, CancellationToken cancellation)
    {
        var snapshot = await _records.GetAsync(cancellation);
        if (!snapshot.ByIssuer.TryGetValue(issuer, out var records)) return [];
        return workspaceId is null ? records : [.. records.Where(r => r.Record.WorkspaceId is null || r.Record.WorkspaceId == workspaceId)];
    }

    /// <summary>The records of one workspace, or of the instance, whose keys are pushed.</summary>
    public async ValueTask<IReadOnlyList<KnownIssuer>> PushedAsync(string? workspaceId, CancellationToken cancellation) =>
        [.. (await _records.GetAsync(cancellation)).ById.Values
            .Where(known => known.Issuer.Keys == KeySource.Pushed && known.Record.WorkspaceId == workspaceId).OrderBy(known => known.Record.Id, StringComparer.Ordinal)];

    public async ValueTask<KnownIssuer?> ByIdAsync(string recordId, CancellationToken cancellation) =>
        (await _records.GetAsync(cancellation)).ById.GetValueOrDefault(recordId);

    /// <summary>The record that a policy of that place means by a name; a workspace's own comes before the instance's.</summary>
    public async ValueTask<KnownIssuer?> ByNameAsync(string policyName, string? workspaceId, CancellationToken cancellation) =>
        (await _records.GetAsync(cancellation)).ById.Values
            .Where(known => known.PolicyName == policyName && (known.Record.WorkspaceId is null || known.Record.WorkspaceId == workspaceId))
            .MaxBy(static known => known.Record.WorkspaceId is not null);

    /// <summary>This very version of a record, where it still stands.</summary>
    public async ValueTask<KnownIssuer?> FindAsync(string versioned, CancellationToken cancellation)
    {
        var at = versioned.IndexOf('@', StringComparison.Ordinal);
        return at > 0 && await ByIdAsync(versioned[..at], cancellation) is { } known && known.Versioned == versioned ? known : null;
    }

    /// <summary>A record changed, here or on another replica.</summary>
    public void Forget() => _records.Forget();

    public void Dispose() => _records.Dispose();

    private async Task<Snapshot> LoadAsync(CancellationToken cancellation) =>
        new([.. (await _store.ListAsync(cancellation)).Select(TryCompile).OfType<KnownIssuer>()]);

    private KnownIssuer? TryCompile(TrustRecord record)
    {
        var mistakes = new List<Mistake>();
        if (TrustedIssuerSpecs.Read(record.SpecJson, mistakes) is { } spec && TrustedIssuerSpecs.Compile(record.Id, spec, mistakes) is { } issuer)
            return new KnownIssuer(record, issuer, spec.Workflows, spec.Keys.Pushed?.Review ?? false);
        // Written by a newer version, or by hand: such a record believes nobody, and takes nothing from the others.
        _log.RecordUnusable(record.Id, string.Join("; ", mistakes));
        return null;
    }

    private sealed class Snapshot(IReadOnlyList<KnownIssuer> all)
    {
        public FrozenDictionary<string, IReadOnlyList<KnownIssuer>> ByIssuer { get; } =
            all.GroupBy(k => k.Record.Issuer, StringComparer.Ordinal).ToFrozenDictionary(g => g.Key, IReadOnlyList<KnownIssuer> (g) => [.. g], StringComparer.Ordinal);

        public FrozenDictionary<string, KnownIssuer> ById { get; } = all.ToFrozenDictionary(k => k.Record.Id, StringComparer.Ordinal);
    }
}
