using System.Text.Json;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Opentofu;

/// <summary>What a plan would change, from the tool's JSON (its "plan representation", format 1.x). Nothing else of it leaves the runner: it holds values.</summary>
internal static class PlanReading
{
    /// <returns>Null where it is no plan.</returns>
    public static PlanSummary? Read(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var plan = JsonDocument.Parse(json);
            if (plan.RootElement is not { ValueKind: JsonValueKind.Object } root || !root.TryGetProperty("format_version", out _))
            {
                return null;
            }

            var changes = ActionsOf(root, "resource_changes").ToList();
            return new PlanSummary(
                changes.Count(static actions => actions.Contains("create")),
                changes.Count(static actions => actions.Contains("update")),
                changes.Count(static actions => actions.Contains("delete")),
                root.TryGetProperty("output_changes", out var outputs) && outputs.ValueKind == JsonValueKind.Object
                    && outputs.EnumerateObject().Any(static output => Changes(Words(output.Value))),
                ActionsOf(root, "resource_drift").Count(Changes));
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return null; // the second: a text that is no Unicode. A step may have written it, and must not break the attempt off
        }
    }

    private static IEnumerable<string[]> ActionsOf(JsonElement root, string name) =>
        root.TryGetProperty(name, out var list) && list.ValueKind == JsonValueKind.Array
            ? list.EnumerateArray().Select(static resource => resource.ValueKind == JsonValueKind.Object && resource.TryGetProperty("change", out var change) ? Words(change) : [])
            : [];

    private static string[] Words(JsonElement change) =>
        change.ValueKind == JsonValueKind.Object && change.TryGetProperty("actions", out var actions) && actions.ValueKind == JsonValueKind.Array
            ? [.. actions.EnumerateArray().Where(static a => a.ValueKind == JsonValueKind.String).Select(static a => a.GetString()!)]
            : [];

    private static bool Changes(string[] actions) => actions.Any(static action => action is not ("no-op" or "read"));
}
