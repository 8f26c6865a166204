using System.Text.Json.Nodes;
using Lanyard.Testing;

namespace Lanyard.EndToEnd.Tests.ClusterProxy;

/// <summary>Events of audit.k8s.io as the proxy and the API server write them, one a line.</summary>
internal static class AuditFiles
{
    /// <summary>The text at that path of an event.</summary>
    public static string? Text(JsonNode e, params string[] path) => path.Aggregate((JsonNode?)e, (node, name) => node?[name])?.GetValue<string>();

    /// <summary>The first that is told of an answer; waited for.</summary>
    public static async Task<JsonNode> EventAsync(string file, Func<JsonNode, bool> wanted)
    {
        JsonNode? found = null;
        await Eventually.HoldsAsync(
            async () =>
            {
                var text = File.Exists(file) ? await File.ReadAllTextAsync(file) : "";
                found = text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonNode.Parse(l)!)
                    .FirstOrDefault(e => Text(e, "stage") != "RequestReceived" && wanted(e));
                return found is not null;
            },
            $"an event in {Path.GetFileName(file)}");
        return found!;
    }
}
