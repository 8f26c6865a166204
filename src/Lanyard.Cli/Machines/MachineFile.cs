using System.Text.Json.Nodes;
using Lanyard.Cli.Resources;
using Lanyard.Protocol.Runtime;

namespace Lanyard.Cli.Machines;

/// <summary>
/// A machine as people write it: <c>kind: Machine</c>, <c>metadata: {workspace}</c>, <c>spec</c>. It has no slug: each reading of it makes another machine, with a token of
/// its own that is shown once, so that it is nothing to apply.
/// </summary>
internal sealed record MachineFile(string? Workspace, JsonObject Spec, YamlDocument Source)
{
    public const string Kind = "Machine";

    public static async Task<MachineFile> ReadAsync(string file, CliConsole console, CancellationToken cancellationToken)
    {
        var (documents, mistakes) = YamlReader.Read(await ResourceFile.ReadTextAsync(file, console, cancellationToken));
        if (mistakes.Count == 0 && documents.Count != 1) mistakes.Add(new YamlMistake(1, "", "exactly one document is wanted"));
        var machine = mistakes.Count == 0 ? Read(documents[0], mistakes) : null;
        if (machine is not null && mistakes.Count == 0) return machine;
        foreach (var mistake in mistakes.OrderBy(static mistake => mistake.Line)) console.Error.WriteLine($"{ResourceFile.Name(file)}: {mistake}");
        throw new CommandStopped(ExitCode.Usage, "Nothing was sent.");
    }

    private static MachineFile? Read(YamlDocument document, List<YamlMistake> mistakes)
    {
        var check = new ShapeCheck(document, mistakes);
        if (document.Root is not JsonObject root)
        {
            check.Mistake("", "a document is a mapping with kind, metadata and spec");
            return null;
        }

        check.OnlyMembers(root, "", "kind", "metadata", "spec");
        if (Connection.HttpCall.Text(root["kind"]) != Kind) check.Mistake("kind", $"must be {Kind}");
        string? workspace = null;
        if (root["metadata"] is JsonObject metadata)
        {
            check.OnlyMembers(metadata, "metadata", "workspace");
            workspace = Connection.HttpCall.Text(metadata["workspace"]);
            if (metadata["workspace"] is not null && (workspace is null || !Slug.IsValid(workspace))) check.Mistake("metadata.workspace", "is no slug");
        }
        else if (root["metadata"] is not null)
        {
            check.Mistake("metadata", "must be a mapping");
        }

        if (root["spec"] is { } spec and not JsonObject) check.Mistake("spec", "must be a mapping");
        check.Against(root["spec"], "spec", RuntimeJson.Default.MachineRequest);
        return new MachineFile(workspace, root["spec"]?.DeepClone() as JsonObject ?? [], document);
    }
}
