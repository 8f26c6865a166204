using System.Text.Json;
using System.Text.Json.Nodes;

namespace Lanyard.Cli.Resources;

/// <summary>A resource as people write it: <c>kind</c>, <c>metadata: {workspace, collection, slug}</c>, <c>spec</c>.</summary>
/// <param name="CollectionPath">The path of its siblings, such as <c>/v1/workspaces/acme/collections</c>.</param>
internal sealed record ResourceDocument(
    ResourceKind Kind, string? Workspace, string? Collection, string Slug, JsonObject Spec, string CollectionPath, YamlDocument Source)
{
    public string Path => $"{CollectionPath}/{Slug}";

    /// <summary>For people: <c>Definition acme/infra/plan</c>.</summary>
    public string Title => $"{Kind.Name} {string.Join('/', new[] { Workspace, Collection, Slug }.OfType<string>())}";

    /// <summary>What is sent to replace it.</summary>
    public JsonObject ToBody()
    {
        var body = new JsonObject { ["spec"] = Spec.DeepClone() };
        if (Kind.CollectionIsMember && Collection is not null)
        {
            body["collection"] = Collection;
        }

        return body;
    }

    /// <summary>What applying it would change of the resource that the server has. The collection counts: it is the wall.</summary>
    public List<Difference> DifferencesFrom(JsonNode? present)
    {
        var differences = ResourceDiff.Of(present?["spec"] as JsonObject ?? [], Spec);
        var there = Connection.HttpCall.Text(present?["collection"]);
        if (Kind.CollectionIsMember && there != Collection)
        {
            differences.Add(new Difference("metadata.collection", there, Collection));
        }

        return differences;
    }

    /// <summary>Reads every document of a text. Where there is one mistake in it, there is no document: nothing may be half done.</summary>
    public static (List<ResourceDocument> Documents, List<YamlMistake> Mistakes) ReadAll(string text)
    {
        var (yaml, mistakes) = YamlReader.Read(text);
        var documents = new List<ResourceDocument>();
        foreach (var document in yaml)
        {
            if (Read(document, mistakes) is { } resource)
            {
                documents.Add(resource);
            }
        }

        foreach (var twice in documents.GroupBy(document => document.Path).Where(group => group.Count() > 1))
        {
            mistakes.Add(new YamlMistake(twice.Last().Source.Line, "", $"{twice.First().Title} stands here twice"));
        }

        if (mistakes.Count == 0 && documents.Count == 0)
        {
            mistakes.Add(new YamlMistake(1, "", "there is no document"));
        }

        mistakes.Sort((left, right) => left.Line.CompareTo(right.Line));
        return (mistakes.Count == 0 ? documents : [], mistakes);
    }

    private static ResourceDocument? Read(YamlDocument document, List<YamlMistake> mistakes)
    {
        var before = mistakes.Count;
        var check = new ShapeCheck(document, mistakes);
        if (document.Root is not JsonObject root)
        {
            mistakes.Add(new YamlMistake(document.Line, "", "a document is a mapping with kind, metadata and spec"));
            return null;
        }

        check.OnlyMembers(root, "", "kind", "metadata", "spec");
        var kind = ReadKind(root, check);
        var metadata = root["metadata"] as JsonObject;
        if (metadata is null)
        {
            check.Mistake("metadata", "must be a mapping with slug, and workspace and collection where the kind lives in them");
        }
        else
        {
            check.OnlyMembers(metadata, "metadata", "workspace", "collection", "slug");
        }

        var workspace = ReadSlug(metadata, "workspace", false, check);
        var collection = ReadSlug(metadata, "collection", false, check);
        var slug = ReadSlug(metadata, "slug", metadata is not null, check);
        var spec = ReadSpec(root, kind, check);
        if (kind is null || metadata is null)
        {
            return null;
        }

        var path = kind.PathOf(workspace, collection, out var mistake);
        if (path is null)
        {
            check.Mistake("metadata", mistake);
        }

        return mistakes.Count == before ? new ResourceDocument(kind, workspace, collection, slug!, spec!, path!, document) : null;
    }

    private static ResourceKind? ReadKind(JsonObject root, ShapeCheck check)
    {
        if (root["kind"] is not JsonValue value || value.GetValueKind() != JsonValueKind.String)
        {
            check.Mistake("kind", $"must be one of {string.Join(", ", ResourceKind.All.Select(kind => kind.Name))}");
            return null;
        }

        var kind = ResourceKind.Find(value.GetValue<string>());
        if (kind is null)
        {
            check.Mistake("kind", value.GetValue<string>() == Machines.MachineFile.Kind
                ? "a machine is made by lanyard machine create -f, each time another, and its token is shown once"
                : $"{value.GetValue<string>()} is none of {string.Join(", ", ResourceKind.All.Select(known => known.Name))}");
        }

        return kind;
    }

    private static string? ReadSlug(JsonObject? metadata, string name, bool required, ShapeCheck check)
    {
        if (metadata is null || !metadata.TryGetPropertyValue(name, out var node))
        {
            if (required)
            {
                check.Mistake($"metadata.{name}", "is missing");
            }

            return null;
        }

        if (node is JsonValue value && value.GetValueKind() == JsonValueKind.String && Resources.Slug.IsValid(value.GetValue<string>()))
        {
            return value.GetValue<string>();
        }

        check.Mistake($"metadata.{name}", "must be a slug: a-z, 0-9 and -, no - at its ends, at most 63 characters (quote one that looks like a number)");
        return null;
    }

    private static JsonObject? ReadSpec(JsonObject root, ResourceKind? kind, ShapeCheck check)
    {
        if (root["spec"] is JsonObject spec)
        {
            if (kind is not null && SpecShapes.Find(kind) is { } shape)
            {
                check.Against(spec, "spec", shape);
            }

            return spec;
        }

        // `spec:` with nothing below it is the empty mapping; a list or a word is a mistake.
        if (root.TryGetPropertyValue("spec", out var given) && given is not null)
        {
            check.Mistake("spec", "must be a mapping");
        }

        return [];
    }
}
