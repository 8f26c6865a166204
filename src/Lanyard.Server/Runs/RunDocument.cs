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
/// <param name="Home">Where the definition is, if not in the run's collection: it was shared.</param>
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
    string? Action = null,
    DefinitionHome? Home = null)
{
    /// <summary>The collection's state that it plans for; null: it plans nothing. A shared definition's can't be that of one of the collection's own.</summary>
    public string? StateName => Spec.Opentofu is { } tofu ? Home is not null ? DefinitionUuid : tofu.State ?? Definition : null;

    /// <summary>As whoever belongs to the run's collection calls it.</summary>
    public string DefinitionName => Home is { } home ? $"{home.Workspace}/{home.Collection}/{Definition}" : Definition;

    public string ToJson() => JsonSerializer.Serialize(this, RunDocumentJson.Default.RunDocument);

    /// <exception cref="JsonException">Only this class writes it: it is a bug.</exception>
    public static RunDocument Parse(string json) =>
        JsonSerializer.Deserialize(json, RunDocumentJson.Default.RunDocument) ?? throw new JsonException("a run's document is null");
}

/// <summary>Where a shared definition is: its owner's issuer signs for its runs.</summary>
internal sealed record DefinitionHome(string WorkspaceId, string Workspace, string CollectionId, string Collection);

/// <param name="Root">The run or machine with which the chain began.</param>
/// <param name="Parent">Who started it.</param>
/// <param name="Depth">1 where the root itself did.</param>
internal sealed record RunOrigin(string Root, string Parent, int Depth);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(RunDocument))]
[JsonSerializable(typeof(CreateRun))]
internal sealed partial class RunDocumentJson : JsonSerializerContext;
