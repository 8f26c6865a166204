using System.Text.Json.Nodes;

namespace Lanyard.Cli.Runner.Kubernetes;

/// <summary>What a pod's status says of one container.</summary>
/// <param name="Waiting">Why it waits, such as <c>ImagePullBackOff</c>; null: it does not.</param>
/// <param name="Ended">Why it has ended, such as <c>OOMKilled</c> or <c>Completed</c>; null: it has not.</param>
internal sealed record ContainerState(string Name, string? Waiting, bool IsRunning, string? Ended, int? ExitCode, string Message);

/// <summary>A pod as the API server shows it, as far as a runner cares.</summary>
/// <param name="Reason">Of the pod as a whole, such as <c>Evicted</c>.</param>
internal sealed record PodState(
    string Name, string Uid, string Job, string Phase, string? Reason, string Message, bool IsDeleted, IReadOnlyList<ContainerState> Containers)
{
    public bool IsOver => Phase is "Succeeded" or "Failed";

    /// <summary>The uid of the Job whose controller has made it; null: something else has.</summary>
    public string? Owner { get; private init; }

    /// <summary>When it was made; sorts as text.</summary>
    public string Made { get; private init; } = "";

    /// <summary>Of a pod that is deleted: how long its containers have to end by themselves.</summary>
    public int GraceSeconds { get; private init; }

    public static PodState? Of(JsonObject pod)
    {
        var metadata = pod["metadata"] as JsonObject;
        var status = pod["status"] as JsonObject;
        return ClusterApi.Text(metadata?["name"]) is { } name && ClusterApi.Text(metadata?["uid"]) is { } uid
            && ClusterApi.Text(metadata?["labels"]?["job-name"]) is { } job
            ? new PodState(
                name, uid, job, ClusterApi.Text(status?["phase"]) ?? "Pending", ClusterApi.Text(status?["reason"]), ClusterApi.Text(status?["message"]) ?? "",
                metadata?["deletionTimestamp"] is not null,
                [.. (status?["containerStatuses"] as JsonArray ?? []).OfType<JsonObject>().Select(Container)])
            {
                Owner = (metadata?["ownerReferences"] as JsonArray ?? []).OfType<JsonObject>()
                    .Where(static owner => ClusterApi.Text(owner["kind"]) == "Job" && owner["controller"] is JsonValue value && value.TryGetValue<bool>(out var controls) && controls)
                    .Select(static owner => ClusterApi.Text(owner["uid"])).FirstOrDefault(),
                Made = ClusterApi.Text(metadata?["creationTimestamp"]) ?? "",
                GraceSeconds = Number(metadata?["deletionGracePeriodSeconds"]) ?? 0,
            }
            : null;
    }

    public ContainerState? Find(string container) => Containers.FirstOrDefault(state => state.Name == container);

    private static ContainerState Container(JsonObject container)
    {
        var state = container["state"] as JsonObject;
        var (waiting, ended) = (state?["waiting"] as JsonObject, state?["terminated"] as JsonObject);
        return new ContainerState(
            ClusterApi.Text(container["name"]) ?? "",
            waiting is null ? null : ClusterApi.Text(waiting["reason"]) ?? "Waiting",
            state?["running"] is not null,
            ended is null ? null : ClusterApi.Text(ended["reason"]) ?? "Error",
            Number(ended?["exitCode"]),
            ClusterApi.Text((waiting ?? ended)?["message"]) ?? "");
    }

    private static int? Number(JsonNode? node) => node is JsonValue value && value.TryGetValue<int>(out var number) ? number : null;
}
