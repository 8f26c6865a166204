using System.Text.Json;
using System.Text.Json.Serialization;
using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;

namespace Lanyard.Server.Runs;

/// <summary>What a run keeps of the moment in which it was created: a later change of the definition, or of a name, does not touch it.</summary>
/// <param name="DefaultAudience">The definition's, else the workspace's, else the workspace's issuer.</param>
/// <param name="Labels">The definition's and the run's.</param>
/// <param name="Cloud">In force: the collection's, and before it the definition's.</param>
/// <param name="Pod">In force, likewise.</param>
/// <param name="Origin">Of a run that a run or machine started by the runtime API.</param>
/// <param name="Action">One of <see cref="RunActions"/>; null: the definition plans nothing.</param>
internal sealed record RunDocument(
    string WorkspaceId,
    string Workspace,
    string CollectionId,
    string Collection,
    string DefinitionId,
    string Definition,
    string DefinitionUuid,
    string DefaultAudience,
    DefinitionSpec Spec,
    IReadOnlyDictionary<string, string> Variables,
    RunContext Context,
    string? Runner,
    IReadOnlyList<string> Labels,
    CloudSpec? Cloud = null,
    PodSpec? Pod = null,
    RunOrigin? Origin = null,
    string? Action = null)
{
    /// <summary>The collection's state that it plans for; null: it plans nothing.</summary>
    public string? StateName => Spec.Opentofu is { } tofu ? tofu.State ?? Definition : null;

    public string ToJson() => JsonSerializer.Serialize(this, RunDocumentJson.Default.RunDocument);

    /// <exception cref="JsonException">Only this class writes it: it is a bug.</exception>
    public static RunDocument Parse(string json) =>
        JsonSerializer.Deserialize(json, RunDocumentJson.Default.RunDocument) ?? throw new JsonException("a run's document is null");
}

/// <param name="Root">The run or machine with which the chain began.</param>
/// <param name="Parent">Who started it.</param>
/// <param name="Depth">1 where the root itself did.</param>
internal sealed record RunOrigin(string Root, string Parent, int Depth);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(RunDocument))]
[JsonSerializable(typeof(CreateRun))]
internal sealed partial class RunDocumentJson : JsonSerializerContext;
