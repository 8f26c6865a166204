using System.Collections.Concurrent;
using System.Text;
using System.Text.Json.Nodes;
using Lanyard.ClusterProxy.Audit;
using Lanyard.ClusterProxy.Hygiene;
using Microsoft.Extensions.Logging.Abstractions;

namespace Lanyard.ClusterProxy.Tests.Audit;

/// <summary>An audit whose lines a test reads.</summary>
internal static class AuditLines
{
    public static LineQueue Into(ConcurrentQueue<JsonNode> into) => new(
        new LineQueueOptions("test", MaxBatch: 10, TimeSpan.Zero, Capacity: 100, DropsWhenFull: false),
        (lines, _) =>
        {
            foreach (var line in lines)
            {
                into.Enqueue(JsonNode.Parse(Encoding.UTF8.GetString(line))!);
            }

            return ValueTask.CompletedTask;
        },
        TimeProvider.System,
        NullLogger.Instance);

    /// <summary>Of every request, at the level Metadata.</summary>
    public static AuditTrail Trail(LineQueue queue) => new(new AuditPolicy([new AuditRule(AuditLevel.Metadata)], AuditStages.None), [queue], TrustedProxies.None, TimeProvider.System);
}
