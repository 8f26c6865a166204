using System.Text.Json;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Clusters;
using Lanyard.Server.Federation;

namespace Lanyard.Server;

/// <summary>Turns what a cluster adds to trust into a trust record with the cluster's id.</summary>
internal static class ClusterRecords
{
    public static TrustRecord Of(ClusterTrustRecord cluster)
    {
        var spec = new TrustedIssuerSpec(cluster.Issuer, Keys(cluster));
        return new TrustRecord(
            cluster.Id,
            cluster.WorkspaceId,
            TrustRecord.ClusterKind,
            cluster.Slug,
            cluster.Issuer,
            JsonSerializer.Serialize(spec, TrustJson.Default.TrustedIssuerSpec),
            cluster.Version,
            cluster.CreatedAt,
            cluster.UpdatedAt);
    }

    private static IssuerKeys Keys(ClusterTrustRecord cluster)
    {
        if (cluster.Jwks is null) return new IssuerKeys(Discovery: new DiscoveredKeys());
        using var document = JsonDocument.Parse(cluster.Jwks);
        var jwks = document.RootElement.Clone();
        return cluster.Keys.Pusher is { } pusher
            ? new IssuerKeys(Pushed: new PushedKeysSpec(jwks, pusher.Subject, cluster.Keys.RequireApproval, cluster.Keys.Review))
            : new IssuerKeys(Jwks: jwks);
    }
}
