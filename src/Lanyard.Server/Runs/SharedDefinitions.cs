using Lanyard.Protocol.Resources;
using Lanyard.Server.Collections;
using Lanyard.Server.Http;
using Lanyard.Server.Runners;

namespace Lanyard.Server.Runs;

/// <summary>Definitions by the name that a run is asked for with: of the run's collection, or <c>workspace/collection/definition</c> of one that names the run's workspace.</summary>
internal sealed class SharedDefinitions(DefinitionStore store, CollectionDirectory directory)
{
    /// <returns>Null where there is none, or it is not shared, which are the same from outside; the collection that it is in, where that is another.</returns>
    public async Task<(ResourceRow<DefinitionSpec>? Definition, CollectionEntry? Home)> FindAsync(CollectionEntry collection, string name)
    {
        var at = name.LastIndexOf('/');
        if (at < 0)
            return (await store.FindAsync(collection.Id, name), null);
        if (directory.FindByPath(name[..at]) is not { } home)
            return (null, null);
        var definition = await store.FindAsync(home.Id, name[(at + 1)..]);
        if (home.Id == collection.Id)
            return (definition, null);
        return definition is not null && IsFor(definition.Spec, collection.Workspace.Slug) ? (definition, home) : (null, null);
    }

    /// <summary>Whether the definition of a run is still there, and still shared with the run's workspace: it gives identity as long as its owner wants.</summary>
    public async Task<bool> IsSharedAsync(RunDocument document) =>
        document.Home is { } home && await store.FindAsync(home.CollectionId, document.Definition) is { } row
        && row.Id == document.DefinitionId && IsFor(row.Spec, document.Workspace);

    /// <summary>A slug is never given to another workspace.</summary>
    private static bool IsFor(DefinitionSpec spec, string workspace) => spec.SharedWith?.Contains(workspace, StringComparer.Ordinal) is true;
}

/// <summary>
/// What a run of a shared definition is called. Workspace, collection and definition are the owner's, whose issuer signs; whatever the consumer decides is the consumer's word
/// and has names that say so: no consumer can make its run look like one of the owner's runners, repositories or environments.
/// </summary>
internal static class SharedValues
{
    private const string Prefix = "consumer_";
    private static readonly string[] OfConsumer = ["workspace", "workspace_id", "collection", "collection_id", "environment", "repository", "ref", "actor", "context_source"];

    public static Dictionary<string, string?> Of(Dictionary<string, string?> own, DefinitionHome home, ActiveRunner? runner)
    {
        var values = new Dictionary<string, string?>(own, StringComparer.Ordinal);
        foreach (var name in OfConsumer)
        {
            values[Prefix + name] = own[name];
            values[name] = null;
        }

        (values["workspace"], values["workspace_id"], values["collection"], values["collection_id"]) = (home.Workspace, home.WorkspaceId, home.Collection, home.CollectionId);

        // Names of runners are a workspace's own; a shared runner's is the instance's.
        if (runner?.Runner.Workspace is { } place && place != home.WorkspaceId)
            (values["runner"], values[Prefix + "runner"]) = (null, own["runner"]);
        return values;
    }
}
