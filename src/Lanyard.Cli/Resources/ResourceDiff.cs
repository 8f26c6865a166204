using System.Text.Json;
using System.Text.Json.Nodes;

namespace Lanyard.Cli.Resources;

/// <summary>One difference of two specs: <c>null</c> stands for "not there".</summary>
internal sealed record Difference(string Path, string? There, string? Here);

/// <summary>
/// Compares the server's spec with a document's. What the document leaves out or sets to null, and the server has as null or false or an
/// empty list, is no difference: the server writes its defaults out. Nor is a definition's <c>uuid</c> that only the server names: it gives one
/// at creation, and it never changes.
/// </summary>
internal static class ResourceDiff
{
    public static List<Difference> Of(JsonNode? there, JsonNode? here)
    {
        var differences = new List<Difference>();
        Compare(there, here, "spec", differences);
        differences.RemoveAll(static difference => difference is { Path: "spec.uuid", Here: null });
        return differences;
    }

    private static void Compare(JsonNode? there, JsonNode? here, string path, List<Difference> differences)
    {
        if (there is JsonObject left && here is JsonObject right)
        {
            foreach (var name in left.Select(member => member.Key).Union(right.Select(member => member.Key), StringComparer.Ordinal))
            {
                Compare(left[name], right[name], $"{path}.{name}", differences);
            }
        }
        else if (there is JsonArray leftItems && here is JsonArray rightItems)
        {
            for (var index = 0; index < Math.Max(leftItems.Count, rightItems.Count); index++)
            {
                Compare(Item(leftItems, index), Item(rightItems, index), $"{path}[{index}]", differences);
            }
        }
        else if (!(IsNothing(there) && IsNothing(here)) && !JsonNode.DeepEquals(there, here))
        {
            differences.Add(new Difference(path, there?.ToJsonString(), here?.ToJsonString()));
        }
    }

    private static JsonNode? Item(JsonArray items, int index) => index < items.Count ? items[index] : null;

    private static bool IsNothing(JsonNode? node) => node switch
    {
        null => true,
        JsonArray array => array.Count == 0,
        JsonObject mapping => mapping.Count == 0,
        JsonValue value => value.GetValueKind() is JsonValueKind.Null or JsonValueKind.False,
        _ => false,
    };
}
