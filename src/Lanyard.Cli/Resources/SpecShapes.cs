using System.Text.Json.Serialization.Metadata;
using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runtime;

namespace Lanyard.Cli.Resources;

/// <summary>The wire record of each kind's <c>spec</c>. A kind without one here is judged by the server alone.</summary>
internal static class SpecShapes
{
    public static JsonTypeInfo? Find(ResourceKind kind) => kind.Name switch
    {
        "Workspace" => ResourceJson.Default.WorkspaceSpec,
        "Collection" => ResourceJson.Default.CollectionSpec,
        "Definition" => ResourceJson.Default.DefinitionSpec,
        "TrustedIssuer" => TrustJson.Default.TrustedIssuerSpec,
        "Runner" => ResourceJson.Default.RunnerSpec,
        "MachineIdentity" => MachineIdentityJson.Default.MachineIdentitySpec,
        "Cluster" => ClusterJson.Default.ClusterSpec,
        _ => null,
    };
}
