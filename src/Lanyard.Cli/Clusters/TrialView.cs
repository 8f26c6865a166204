using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Protocol.Resources;

namespace Lanyard.Cli.Clusters;

/// <summary>The verification report for people.</summary>
internal static class TrialView
{
    public static TrialReport? Find(JsonNode? report)
    {
        try
        {
            return report?.Deserialize(ClusterJson.Default.TrialReport);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public static void Write(TextWriter writer, TrialReport report) => writer.Write(TrialText.Of(report));
}
