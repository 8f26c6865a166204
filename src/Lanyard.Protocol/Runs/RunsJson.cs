using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lanyard.Protocol.Runs;

/// <summary>The dialect of runs as people see them: as that of resources.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    NumberHandling = JsonNumberHandling.Strict,
    PropertyNameCaseInsensitive = false,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectRequiredConstructorParameters = true,
    RespectNullableAnnotations = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(CreateRun))]
[JsonSerializable(typeof(RunView))]
[JsonSerializable(typeof(RunList))]
[JsonSerializable(typeof(WhyView))]
[JsonSerializable(typeof(PlanSummary))]
[JsonSerializable(typeof(StateList))]
[JsonSerializable(typeof(StateVersionList))]
public sealed partial class RunsJson : JsonSerializerContext;
