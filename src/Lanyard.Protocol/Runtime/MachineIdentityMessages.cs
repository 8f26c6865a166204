using System.Text.Json;
using System.Text.Json.Serialization;
using Lanyard.Protocol.Resources;

namespace Lanyard.Protocol.Runtime;

/// <summary>Spec of a <c>MachineIdentity</c>: a host that proves itself by its platform's identity gets the token of such a machine.</summary>
/// <param name="Proof">Who may have it.</param>
/// <param name="Machine">The machine that it is then.</param>
/// <param name="Audiences">For which the machine may have identity tokens, as <c>workspace:{workspace}:machine:{slug of this}</c>; absent: none.</param>
/// <param name="PerMinute">Machines that are made by it in a minute, on each replica; absent: 60.</param>
public sealed record MachineIdentitySpec(MachineProof Proof, MachineRequest Machine, IReadOnlyList<string>? Audiences = null, int? PerMinute = null);

/// <summary>Either a service account of a cluster, or a runner with a key of its own.</summary>
/// <param name="Cluster">Slug of a registered cluster of the workspace.</param>
/// <param name="Subject">Of the cluster's token, exactly, such as <c>system:serviceaccount:builds:vm</c>.</param>
/// <param name="Runner">Id of the runner whose host key signs the assertion.</param>
public sealed record MachineProof(string? Cluster = null, string? Subject = null, string? Runner = null);

/// <summary>Body of <c>POST /runtime/machines</c>; the bearer is the proof.</summary>
/// <param name="Identity">Slug of a <c>MachineIdentity</c> of the workspace.</param>
public sealed record MachineAttestation(string Workspace, string Identity);

/// <summary>The dialect of machine identities.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    NumberHandling = JsonNumberHandling.Strict,
    PropertyNameCaseInsensitive = false,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectRequiredConstructorParameters = true,
    RespectNullableAnnotations = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(MachineIdentitySpec))]
[JsonSerializable(typeof(MachineAttestation))]
[JsonSerializable(typeof(Resource<MachineIdentitySpec>))]
[JsonSerializable(typeof(ResourceWrite<MachineIdentitySpec>))]
[JsonSerializable(typeof(ResourceList<MachineIdentitySpec>))]
public sealed partial class MachineIdentityJson : JsonSerializerContext;
