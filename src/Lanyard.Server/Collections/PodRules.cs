using System.Text.RegularExpressions;
using Lanyard.Protocol.Resources;

namespace Lanyard.Server.Collections;

/// <summary>What a <c>pod</c> block must be like, and which of its members are in force. Names and quantities are those of Kubernetes.</summary>
internal static partial class PodRules
{
    private const int MaxEntries = 20;

    public static void Check(PodSpec? pod, string path, List<Mistake> mistakes)
    {
        if (pod is null)
        {
            return;
        }

        Require(pod.Image is null || Image().IsMatch(pod.Image), "image", "must be the name of an image, such as registry.example.com/team/tools:1.2");
        Require(pod.ImagePullPolicy is null or "Always" or "IfNotPresent" or "Never", "imagePullPolicy", "must be Always, IfNotPresent or Never");
        Require(pod.ServiceAccount is null || Subdomain().IsMatch(pod.ServiceAccount), "serviceAccount", "must be the name of a service account");
        Require(pod.User is null or (>= 1 and <= int.MaxValue), "user", "must be 1 to 2147483647: steps never run as root");
        CheckEntries(pod.NodeSelector, Label(), LabelValue(), $"{path}.nodeSelector", "a label of a node and its value", mistakes);
        CheckEntries(pod.Requests, Resource(), Quantity(), $"{path}.requests", "a resource and its quantity, such as memory: 1Gi", mistakes);
        CheckEntries(pod.Limits, Resource(), Quantity(), $"{path}.limits", "a resource and its quantity, such as memory: 1Gi", mistakes);

        void Require(bool isGood, string name, string text)
        {
            if (!isGood)
            {
                mistakes.Add(new Mistake($"{path}.{name}", text));
            }
        }
    }

    /// <summary>The definition's members stand before the collection's.</summary>
    public static PodSpec? InForce(PodSpec? collection, PodSpec? definition) => (collection, definition) switch
    {
        (null, _) => definition,
        (_, null) => collection,
        _ => new PodSpec(
            definition.Image ?? collection.Image,
            definition.ImagePullPolicy ?? collection.ImagePullPolicy,
            definition.ServiceAccount ?? collection.ServiceAccount,
            definition.NodeSelector ?? collection.NodeSelector,
            definition.Requests ?? collection.Requests,
            definition.Limits ?? collection.Limits,
            definition.User ?? collection.User),
    };

    private static void CheckEntries(IReadOnlyDictionary<string, string>? entries, Regex name, Regex value, string path, string what, List<Mistake> mistakes)
    {
        if (entries is { Count: > MaxEntries })
        {
            mistakes.Add(new Mistake(path, $"must be at most {MaxEntries}"));
            return;
        }

        foreach (var entry in entries ?? new Dictionary<string, string>())
        {
            if (!name.IsMatch(entry.Key) || !value.IsMatch(entry.Value))
            {
                mistakes.Add(new Mistake($"{path}.{entry.Key}", $"must be {what}"));
            }
        }
    }

    [GeneratedRegex(@"^[a-zA-Z0-9][a-zA-Z0-9._:/@-]{0,254}\z")]
    private static partial Regex Image();

    [GeneratedRegex(@"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\z")]
    private static partial Regex Subdomain();

    [GeneratedRegex(@"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?\z")]
    private static partial Regex Label();

    [GeneratedRegex(@"^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?\z")]
    private static partial Regex LabelValue();

    [GeneratedRegex(@"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[a-z0-9]([a-z0-9_.-]{0,61}[a-z0-9])?\z")]
    private static partial Regex Resource();

    [GeneratedRegex(@"^[0-9]{1,15}(\.[0-9]{1,9})?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?\z")]
    private static partial Regex Quantity();
}
