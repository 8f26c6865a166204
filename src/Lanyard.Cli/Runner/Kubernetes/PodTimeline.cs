using System.Globalization;
using System.Text.Json.Nodes;
using Lanyard.Cli.Runner.Server;
using Lanyard.Protocol.Runs;
using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner.Kubernetes;

/// <summary>Brings what Kubernetes says about an attempt's Job and pod into the attempt's timeline, each event once.</summary>
internal sealed class PodTimeline(ClusterApi cluster, ControlPlane plane, AttemptKey key, TimeProvider time, ILogger log)
{
    private const int MostAtOnce = 50;
    private const int MaxMessage = 1000;
    private readonly HashSet<string> _told = new(StringComparer.Ordinal);
    private readonly HashSet<string> _reasons = new(StringComparer.Ordinal);
    private readonly string _job = JobManifest.NameOf(key);

    public async Task TellAsync(PodState? pod, CancellationToken cancellationToken)
    {
        var fresh = new List<AttemptEvent>();
        if (pod is not null)
        {
            fresh.AddRange(pod.Containers.Select(Ending).OfType<AttemptEvent>());
        }

        foreach (var name in pod is null ? [_job] : (string[])[_job, pod.Name])
        {
            var list = await cluster.ListEventsAsync(name, cancellationToken);
            fresh.AddRange((list.Items ?? []).Select(Of).OfType<AttemptEvent>());
        }

        await SendAsync([.. fresh.Where(one => !_told.Contains(one.Key)).DistinctBy(one => one.Key).Take(MostAtOnce)], cancellationToken);
    }

    /// <summary>Why the attempt is given up, where no event has said so: a pod's status is often there before the event that goes with it.</summary>
    public Task TellAsync(PodVerdict verdict, CancellationToken cancellationToken) => verdict.Cause is not { } cause || _reasons.Contains(Word(cause))
        ? Task.CompletedTask
        : SendAsync([new AttemptEvent($"runner {Word(cause)}", time.GetUtcNow(), Word(cause), Printable(verdict.Reason))], cancellationToken);

    /// <summary>What the server never takes is found by halves and left out: it would keep the others of its batch from being told, and be sent again for ever.</summary>
    private async Task SendAsync(AttemptEvent[] events, CancellationToken cancellationToken)
    {
        if (events.Length == 0)
        {
            return;
        }

        var answer = await plane.AddEventsAsync(key, events, cancellationToken);
        if (answer.Kind is AnswerKind.Refused && events.Length > 1)
        {
            await SendAsync(events[..(events.Length / 2)], cancellationToken);
            await SendAsync(events[(events.Length / 2)..], cancellationToken);
        }
        else if (answer.Kind is AnswerKind.Ok or AnswerKind.Refused)
        {
            _told.UnionWith(events.Select(one => one.Key));
            _reasons.UnionWith(events.Select(one => one.Reason));
            if (answer.Kind is AnswerKind.Refused)
            {
                log.EventNotTaken(events[0].Reason, key, answer.Detail);
            }
        }
    }

    /// <summary>A container that ended badly; how it went well is the steps' to say.</summary>
    private AttemptEvent? Ending(ContainerState container) => container.Ended is { } reason and not "Completed"
        ? new($"container {container.Name} {reason}", time.GetUtcNow(), Word(reason), Printable($"container {container.Name}: exit code {container.ExitCode} {container.Message}"))
        : null;

    private static AttemptEvent? Of(JsonObject one)
    {
        if (ClusterApi.Text(one["metadata"]?["uid"]) is not { } uid || ClusterApi.Text(one["reason"]) is not { } reason)
        {
            return null;
        }

        var when = ClusterApi.Text(one["firstTimestamp"]) ?? ClusterApi.Text(one["eventTime"]) ?? ClusterApi.Text(one["metadata"]?["creationTimestamp"]);
        return DateTimeOffset.TryParse(when, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
            ? new AttemptEvent("event " + uid, at, Word(reason), Printable(ClusterApi.Text(one["message"]) ?? ""))
            : null;
    }

    private static string Word(string reason) =>
        string.Concat(reason.Where(char.IsAsciiLetterOrDigit).Take(64)) is { Length: > 0 } word ? word : "Unknown";

    private static string Printable(string text) => string.Concat(text.Take(MaxMessage).Select(static c => char.IsControl(c) ? ' ' : c));
}
