using Lanyard.Protocol.Resources;
using Lanyard.Server.Http;

namespace Lanyard.Server.Collections;

/// <summary>What a definition must be like beyond its shape. Every mistake is found at once.</summary>
internal static class DefinitionRules
{
    public const int MaxSteps = 200;
    public const int MaxTimeoutSeconds = 86_400;
    public const int DefaultTimeoutSeconds = 3600;

    public const int MaxQueueSeconds = 30 * 86_400;
    public const int MaxGraceSeconds = 600;

    internal const int MaxAudiences = 50;
    private const int MaxAttempts = 10;
    private const int MaxMasked = 50;
    private const int MaxLabels = 20;
    private const int MaxArguments = 256;
    private const int MaxVariables = 200;
    private const int MaxShares = 100;
    private const int MaxText = 65_536;

    public static List<Mistake> Check(DefinitionSpec spec)
    {
        var mistakes = new List<Mistake>();
        CheckSteps(spec, mistakes);
        CheckAudiences(spec, mistakes);
        if (spec.Description is { Length: > 2000 })
        {
            mistakes.Add(new Mistake("spec.description", "must be at most 2000 characters"));
        }

        CheckRange(spec.TimeoutSeconds, "spec.timeoutSeconds", 1, MaxTimeoutSeconds, mistakes);
        CheckRange(spec.QueueTimeoutSeconds, "spec.queueTimeoutSeconds", 1, MaxQueueSeconds, mistakes);
        CheckRange(spec.SilenceTimeoutSeconds, "spec.silenceTimeoutSeconds", 1, MaxTimeoutSeconds, mistakes);
        CheckRange(spec.GraceSeconds, "spec.graceSeconds", 0, MaxGraceSeconds, mistakes);
        CheckRetry(spec.Retry, mistakes);
        OpentofuRules.Check(spec, mistakes);
        CheckMask(spec.Mask ?? [], mistakes);
        CheckShares(spec.SharedWith ?? [], mistakes);
        if (spec.Runner is { } runner && !Slug.IsValid(runner))
        {
            mistakes.Add(new Mistake("spec.runner", Slug.Rule));
        }

        if (spec.Executor is not (null or "process" or "kubernetes"))
        {
            mistakes.Add(new Mistake("spec.executor", "must be process or kubernetes"));
        }

        if (spec.Uuid is not null && (!Guid.TryParseExact(spec.Uuid, "D", out var uuid) || uuid.ToString("D") != spec.Uuid))
        {
            mistakes.Add(new Mistake("spec.uuid", "must be a hyphenated lower-case UUID"));
        }

        CheckLabels(spec.Labels ?? [], mistakes);
        CloudRules.Check(spec.Cloud, "spec.cloud", mistakes);
        PodRules.Check(spec.Pod, "spec.pod", mistakes);
        CacheUseRules.Check(spec, mistakes);
        OperationRules.Check(spec.Operations, "spec.operations", mistakes);
        return mistakes;
    }

    private static void CheckSteps(DefinitionSpec spec, List<Mistake> mistakes)
    {
        if (spec.Steps.Count > MaxSteps || (spec.Steps.Count == 0 && spec.Opentofu is null))
        {
            // Not each of ten thousand: the list itself is the mistake.
            mistakes.Add(new Mistake("spec.steps", $"must be 1 to {MaxSteps} steps, not {spec.Steps.Count}"));
            return;
        }

        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < spec.Steps.Count; i++)
        {
            var path = $"spec.steps[{i}]";
            CheckStep(spec.Steps[i], path, spec, mistakes);
            if (!names.Add(spec.Steps[i].Name))
            {
                mistakes.Add(new Mistake($"{path}.name", "is that of an earlier step"));
            }
        }
    }

    private static void CheckStep(StepSpec step, string path, DefinitionSpec spec, List<Mistake> mistakes)
    {
        if (!Slug.IsValid(step.Name))
        {
            mistakes.Add(new Mistake($"{path}.name", Slug.Rule));
        }

        if (step.Argv is null == step.Script is null)
        {
            mistakes.Add(new Mistake(path, "must have either argv or script"));
        }

        if (step.Argv is { } argv && (argv.Count is < 1 or > MaxArguments || argv[0].Length == 0 || argv.Sum(static word => word.Length) > MaxText))
        {
            mistakes.Add(new Mistake($"{path}.argv", $"must be a program and at most {MaxArguments - 1} arguments, together at most {MaxText} characters"));
        }

        if (step.Script is { Length: 0 or > MaxText })
        {
            mistakes.Add(new Mistake($"{path}.script", $"must be 1 to {MaxText} characters"));
        }

        CheckRange(step.TimeoutSeconds, $"{path}.timeoutSeconds", 1, MaxTimeoutSeconds, mistakes);
        CheckEnvironment(step.Environment, $"{path}.environment", mistakes);
        StepTokens.Check(step.Oidc, $"{path}.oidc", spec, mistakes);
    }

    private static void CheckEnvironment(IReadOnlyDictionary<string, string>? environment, string path, List<Mistake> mistakes)
    {
        if (environment is null)
        {
            return;
        }

        if (environment.Count > MaxVariables || environment.Sum(static variable => variable.Key.Length + variable.Value.Length) > MaxText)
        {
            mistakes.Add(new Mistake(path, $"must be at most {MaxVariables} variables, together at most {MaxText} characters"));
        }

        foreach (var name in environment.Keys.Where(static name => !IsVariable(name)))
        {
            mistakes.Add(new Mistake($"{path}.{name}", "must be a name of letters, digits and _, and must not begin with LANYARD_"));
        }
    }

    /// <summary>Ours begin with LANYARD_ and ACTIONS_ID_TOKEN_REQUEST_: a definition can't put something else in their place.</summary>
    private static bool IsVariable(string name) =>
        name.Length is > 0 and <= 128
        && !char.IsAsciiDigit(name[0])
        && name.All(static c => char.IsAsciiLetterOrDigit(c) || c == '_')
        && !name.StartsWith("LANYARD_", StringComparison.OrdinalIgnoreCase)
        && !name.StartsWith("ACTIONS_ID_TOKEN_REQUEST_", StringComparison.OrdinalIgnoreCase);

    private static void CheckAudiences(DefinitionSpec spec, List<Mistake> mistakes)
    {
        var audiences = spec.Audiences ?? [];
        if (audiences.Count > MaxAudiences)
        {
            mistakes.Add(new Mistake("spec.audiences", $"must be at most {MaxAudiences}"));
            return;
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < audiences.Count; i++)
        {
            var path = $"spec.audiences[{i}]";
            TextRules.CheckAudience(audiences[i].Audience, $"{path}.audience", mistakes);
            if (!seen.Add(audiences[i].Audience))
            {
                mistakes.Add(new Mistake($"{path}.audience", "stands here twice"));
            }

            if (audiences[i].Algorithm is not (null or "RS256" or "ES256"))
            {
                mistakes.Add(new Mistake($"{path}.algorithm", "must be RS256 or ES256"));
            }

            CheckRange(audiences[i].LifetimeSeconds, $"{path}.lifetimeSeconds", 60, 3600, mistakes);
            SubjectRules.Check(audiences[i], path, mistakes);
        }

        if (spec.DefaultAudience is { } chosen && !seen.Contains(chosen))
        {
            mistakes.Add(new Mistake("spec.defaultAudience", "must be one of spec.audiences"));
        }
    }

    private static void CheckMask(IReadOnlyList<string> names, List<Mistake> mistakes)
    {
        if (names.Count > MaxMasked)
        {
            mistakes.Add(new Mistake("spec.mask", $"must be at most {MaxMasked}"));
            return;
        }

        for (var i = 0; i < names.Count; i++)
        {
            if (!IsVariable(names[i]))
            {
                mistakes.Add(new Mistake($"spec.mask[{i}]", "must be the name of a variable"));
            }
        }
    }

    /// <summary>Whether there is such a workspace is not said: it is none of the writer's business.</summary>
    private static void CheckShares(IReadOnlyList<string> workspaces, List<Mistake> mistakes)
    {
        if (workspaces.Count > MaxShares || workspaces.Any(static slug => !Slug.IsValid(slug)))
        {
            mistakes.Add(new Mistake("spec.sharedWith", $"must be at most {MaxShares} slugs of workspaces: {Slug.Rule}"));
        }
    }

    private static void CheckRetry(RetrySpec? retry, List<Mistake> mistakes)
    {
        CheckRange(retry?.Attempts, "spec.retry.attempts", 1, MaxAttempts, mistakes);
        for (var i = 0; i < (retry?.On?.Count ?? 0); i++)
        {
            if (retry!.On![i] is not (RetryOn.Lost or RetryOn.RunnerError or RetryOn.Failed or RetryOn.TimedOut) || retry.On.Take(i).Contains(retry.On[i]))
            {
                mistakes.Add(new Mistake($"spec.retry.on[{i}]", "must be lost, runner_error, failed or timed_out, each once"));
                return;
            }
        }
    }

    private static void CheckLabels(IReadOnlyList<string> labels, List<Mistake> mistakes)
    {
        if (labels.Count > MaxLabels)
        {
            mistakes.Add(new Mistake("spec.labels", $"must be at most {MaxLabels}"));
        }

        for (var i = 0; i < labels.Count; i++)
        {
            if (!Slug.IsValid(labels[i]))
            {
                mistakes.Add(new Mistake($"spec.labels[{i}]", Slug.Rule));
            }
        }
    }

    public static void CheckRange(int? value, string path, int min, int max, List<Mistake> mistakes)
    {
        if (value is { } number && (number < min || number > max))
        {
            mistakes.Add(new Mistake(path, $"must be {min} to {max}"));
        }
    }
}
