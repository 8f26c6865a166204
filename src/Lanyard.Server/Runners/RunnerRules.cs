using System.Text.Json;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Http;

namespace Lanyard.Server.Runners;

/// <summary>What a runner's spec must be like beyond its shape. Every mistake is found at once.</summary>
internal static class RunnerRules
{
    private const int MaxCollections = 500;
    private const int MaxLabels = 20;

    /// <summary>
    /// What an executor is among labels: a definition that names one waits for a runner that has it. The colon keeps it apart from labels that
    /// people give.
    /// </summary>
    public static IReadOnlyList<string> LabelsOf(string? executor) => executor is null ? [] : [$"executor:{executor}"];

    /// <summary>The labels that a runner has: its record's, those of its process that the record lets it have, and its executors.</summary>
    public static IEnumerable<string> LabelsOf(RunnerSpec spec, IReadOnlyList<string> said, IReadOnlyList<string> executors) =>
        (spec.Labels ?? []).Concat(said.Where(label => MaySay(spec, label))).Concat(executors.SelectMany(LabelsOf));

    /// <summary>Whether a runner's process may have a label that it says of itself.</summary>
    public static bool MaySay(RunnerSpec spec, string label) => spec.SessionLabels?.Contains(label) ?? true;

    public static RunnerSpec SpecOf(RunnerRecord runner) =>
        JsonSerializer.Deserialize(runner.Spec, ResourceJson.Default.RunnerSpec) ?? throw new JsonException("a stored spec is null");

    public static void Check(RunnerSpec spec, List<Mistake> mistakes)
    {
        if (spec.Collections.Count is < 1 or > MaxCollections)
            mistakes.Add(new("spec.collections", $"must be 1 to {MaxCollections}"));
        else if (spec.Collections.Distinct(StringComparer.Ordinal).Count() != spec.Collections.Count)
            mistakes.Add(new("spec.collections", "has one twice"));
        if (spec.Concurrency is < 1 or > 500)
            mistakes.Add(new("spec.concurrency", "must be 1 to 500"));
        if (spec.State is { } state && !RunnerStates.IsKnown(state))
            mistakes.Add(new("spec.state", "must be active, paused, cordoned or draining"));
        if (spec.DisplayName is { Length: > 200 })
            mistakes.Add(new("spec.displayName", "must be at most 200 characters"));
        foreach (var (labels, path) in ((IReadOnlyList<string>?, string)[])[(spec.Labels, "spec.labels"), (spec.SessionLabels, "spec.sessionLabels")])
        {
            if (labels is { Count: > MaxLabels } || labels?.Any(l => !IsLabel(l)) == true)
                mistakes.Add(new(path, $"must be at most {MaxLabels} of 1 to 63 letters, digits and - _ . / ="));
        }
        foreach (var (name, weight) in spec.Weights ?? new Dictionary<string, int>())
        {
            if (!spec.Collections.Contains(name))
                mistakes.Add(new($"spec.weights.{name}", "is none of the runner's collections"));
            if (weight is < 1 or > 100)
                mistakes.Add(new($"spec.weights.{name}", "must be 1 to 100"));
        }
        CheckIdentity(spec.Identity, mistakes);
    }

    private static bool IsLabel(string label) =>
        label.Length is > 0 and <= 63 && label.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '/' or '=');

    private static void CheckIdentity(RunnerIdentity identity, List<Mistake> mistakes)
    {
        var ofCluster = identity.Cluster is not null || identity.Subject is not null;
        if ((ofCluster ? 1 : 0) + (identity.KeyThumbprint is null ? 0 : 1) + (identity.Policy is null ? 0 : 1) != 1 || (ofCluster && (identity.Cluster is null || identity.Subject is null)))
            mistakes.Add(new("spec.identity", "must be either cluster and subject, or keyThumbprint, or policy"));
        if (identity.Subject is { } subject && (subject.Length is 0 or > 255 || subject.Any(c => c is <= ' ' or > '~')))
            mistakes.Add(new("spec.identity.subject", "must be 1 to 255 printable ASCII characters without blanks"));
        if (identity.Cluster is { } cluster && !cluster.Split('/').All(Slug.IsValid))
            mistakes.Add(new("spec.identity.cluster", Slug.Rule));
        if (identity.Policy is { } policy && !Slug.IsValid(policy))
            mistakes.Add(new("spec.identity.policy", Slug.Rule));
        if (identity.KeyThumbprint is { } thumbprint && !IsThumbprint(thumbprint))
            mistakes.Add(new("spec.identity.keyThumbprint", "must be 43 characters of base64url"));
    }

    public static bool IsThumbprint(string text) => text.Length == 43 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');
}
