using Lanyard.Identity.Trust;
using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Http;

namespace Lanyard.Server.Runs;

/// <summary>What a request for a run must be like beyond its shape. Every mistake is found at once.</summary>
internal static class CreateRunRules
{
    public const string DefaultPhase = "run";

    private const int MaxVariables = 200;
    private const int MaxVariableBytes = 128 * 1024;
    private const int MaxLabels = 20;

    public static List<Mistake> Check(CreateRun run)
    {
        var mistakes = new List<Mistake>();
        if (!(run.Definition.Split('/') is { Length: 1 or 3 } parts && parts.All(Slug.IsValid)))
            mistakes.Add(new("definition", $"{Slug.Rule}; three of them, with / between, for a shared one"));
        if (run.Runner is { } runner && !Slug.IsValid(runner))
            mistakes.Add(new("runner", Slug.Rule));
        if (run.Priority is < -100 or > 100)
            mistakes.Add(new("priority", "must be -100 to 100"));
        if (run.Phase is { } phase && !(Slug.IsValid(phase) && phase.Length <= 32))
            mistakes.Add(new("phase", "must be 1 to 32 of a-z, 0-9 and -"));
        if (run.Action is { } action && !RunActions.IsKnown(action))
            mistakes.Add(new("action", "must be apply, plan, destroy or drift"));
        CheckVariables(run.Variables, mistakes);
        CheckLabels(run.Labels, mistakes);
        CheckWord(run.Repository, "repository", mistakes);
        CheckWord(run.Ref, "ref", mistakes);
        CheckWord(run.Environment, "environment", mistakes);
        return mistakes;
    }

    public static bool IsLabel(string label) =>
        label.Length is > 0 and <= 63 && label.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '/' or '=');

    private static void CheckVariables(IReadOnlyDictionary<string, string>? variables, List<Mistake> mistakes)
    {
        if (variables is null)
            return;
        if (variables.Count > MaxVariables || variables.Sum(v => (long)v.Key.Length + v.Value.Length) > MaxVariableBytes)
        {
            mistakes.Add(new("variables", $"must be at most {MaxVariables} and at most {MaxVariableBytes} characters together"));
            return;
        }
        foreach (var name in variables.Keys.Where(n => !IsVariableName(n)))
            mistakes.Add(new($"variables.{name}", "must be a name of letters, digits and _, and not one that Lanyard sets itself"));
    }

    private static bool IsVariableName(string name) =>
        name.Length is > 0 and <= 128 && !char.IsAsciiDigit(name[0]) && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_')
        && !name.StartsWith("LANYARD_", StringComparison.Ordinal) && !name.StartsWith("ACTIONS_ID_TOKEN_", StringComparison.Ordinal);

    private static void CheckLabels(IReadOnlyList<string>? labels, List<Mistake> mistakes)
    {
        if (labels is { Count: > MaxLabels })
            mistakes.Add(new("labels", $"must be at most {MaxLabels}"));
        for (var i = 0; i < Math.Min(labels?.Count ?? 0, MaxLabels); i++)
        {
            if (!IsLabel(labels![i]))
                mistakes.Add(new($"labels[{i}]", "must be 1 to 63 letters, digits and - _ . / ="));
        }
    }

    private static void CheckWord(string? word, string path, List<Mistake> mistakes)
    {
        if (word is not null && !ContextMapping.IsWord(word))
            mistakes.Add(new(path, "must be 1 to 200 printable ASCII characters without blanks, colons, quotes and backslashes"));
    }
}
