using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lanyard.Protocol.Resources;

/// <summary>The dialect of resources: camelCase, unknown members and doubled ones refused, numbers are numbers, nulls left out.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    NumberHandling = JsonNumberHandling.Strict,
    PropertyNameCaseInsensitive = false,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectRequiredConstructorParameters = true,
    RespectNullableAnnotations = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Problem))]
[JsonSerializable(typeof(Resource<JsonElement>))]
[JsonSerializable(typeof(ResourceWrite<JsonElement>))]
[JsonSerializable(typeof(ResourceList<JsonElement>))]
[JsonSerializable(typeof(Resource<WorkspaceSpec>))]
[JsonSerializable(typeof(ResourceWrite<WorkspaceSpec>))]
[JsonSerializable(typeof(ResourceList<WorkspaceSpec>))]
[JsonSerializable(typeof(WorkspaceStatus))]
[JsonSerializable(typeof(Resource<CollectionSpec>))]
[JsonSerializable(typeof(ResourceWrite<CollectionSpec>))]
[JsonSerializable(typeof(ResourceList<CollectionSpec>))]
[JsonSerializable(typeof(Resource<DefinitionSpec>))]
[JsonSerializable(typeof(ResourceWrite<DefinitionSpec>))]
[JsonSerializable(typeof(ResourceList<DefinitionSpec>))]
[JsonSerializable(typeof(Resource<RunnerSpec>))]
[JsonSerializable(typeof(ResourceWrite<RunnerSpec>))]
[JsonSerializable(typeof(ResourceList<RunnerSpec>))]
[JsonSerializable(typeof(RunnerStatus))]
[JsonSerializable(typeof(RunnerRequestList))]
[JsonSerializable(typeof(ApproveRunner))]
public sealed partial class ResourceJson : JsonSerializerContext;
