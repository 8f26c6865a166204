using Lanyard.Identity;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Clusters;

/// <summary>What a registered cluster adds to trust: its tokens are believed, by these keys.</summary>
/// <param name="Id">The cluster's own id (<c>clu_…</c>).</param>
/// <param name="Keys">As the spec has them: who may push others.</param>
/// <param name="Jwks">The uploaded keys, canonical and public; null where they are fetched from the issuer.</param>
internal sealed record ClusterTrustRecord(
    string Id, string WorkspaceId, string Slug, string Issuer, string? Jwks, long Version, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt,
    ClusterKeys Keys);

/// <summary>
/// What Clusters asks of Federation, handed in where the server is put together: trust is written in the same transaction as the cluster, and how
/// tokens are remembered and keys fetched is Federation's.
/// </summary>
/// <param name="Put">Adds or replaces the trust record; keys of an earlier version must not serve this one.</param>
/// <param name="Remove">Takes it away by id.</param>
/// <param name="TryUse">Marks a one-time token as used until a time; false where it was used before.</param>
/// <param name="FetchKeys">The keys that discovery finds for a record that is not stored.</param>
/// <param name="Resting">What of the workspace rests on a cluster, as an audit event tells it; null: nothing.</param>
internal sealed record ClusterTrust(
    Func<Transaction, ClusterTrustRecord, CancellationToken, Task> Put,
    Func<Transaction, string, CancellationToken, Task> Remove,
    Func<string, DateTimeOffset, CancellationToken, Task<bool>> TryUse,
    Func<TrustedIssuer, CancellationToken, Task<Outcome<KeySet>>> FetchKeys,
    Func<ClusterPlace, CancellationToken, Task<IReadOnlyDictionary<string, string>?>> Resting);

/// <summary>A registered cluster by its names.</summary>
internal sealed record ClusterPlace(string WorkspaceId, string Slug, string Id);
