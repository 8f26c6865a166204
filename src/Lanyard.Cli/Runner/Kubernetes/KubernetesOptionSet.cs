using System.CommandLine;

namespace Lanyard.Cli.Runner.Kubernetes;

/// <summary>The options of <c>lanyard runner --executor kubernetes</c>.</summary>
internal sealed class KubernetesOptionSet
{
    private const int MostMinutes = 24 * 60;

    /// <summary>The server waits no longer for the first step of an attempt.</summary>
    private const int MostStartMinutes = 60;
    private readonly Option<string> _podImage = new("--pod-image") { Description = "image with this program, for the container `lanyard` of every pod; default: LANYARD_POD_IMAGE" };
    private readonly Option<string> _podImagePullPolicy = new("--pod-image-pull-policy") { Description = "Always, IfNotPresent or Never" };
    private readonly Option<string> _namespace = new("--namespace") { Description = "where the pods are; default: the runner's own namespace" };
    private readonly Option<string> _stepImage = new("--step-image") { Description = "image of steps whose definition and collection name none; default: LANYARD_STEP_IMAGE" };
    private readonly Option<string> _serviceAccount = new("--service-account")
    {
        Description = "of pods whose definition and collection name none",
        DefaultValueFactory = _ => KubernetesSettings.DefaultServiceAccount,
    };

    private readonly Option<string[]> _allowed = new("--allow-service-account") { Description = "service account that definitions and collections may name; may be repeated" };
    private readonly Option<int> _startMinutes = new("--pod-start-minutes") { Description = "how long a pod may take until its containers run", DefaultValueFactory = _ => 10 };
    private readonly Option<int> _keepMinutes = new("--keep-jobs-minutes") { Description = "how long Jobs stay after their end", DefaultValueFactory = _ => 10 };

    private readonly Option<string> _lease = new("--leader-lease") { Description = "Lease by which several replicas elect the one that speaks; default: one process only" };

    public IEnumerable<Option> All => [_lease, _podImage, _podImagePullPolicy, _namespace, _stepImage, _serviceAccount, _allowed, _startMinutes, _keepMinutes];

    /// <param name="kubeconfig">Of a runner outside the cluster; null: the pod's own service account.</param>
    public KubernetesSettings? Read(ParseResult parsed, string? kubeconfig, List<string> mistakes)
    {
        var before = mistakes.Count;
        var image = parsed.GetValue(_podImage) ?? Environment.GetEnvironmentVariable("LANYARD_POD_IMAGE");
        if (string.IsNullOrEmpty(image))
        {
            mistakes.Add("--pod-image: is needed with --executor kubernetes");
        }

        if (parsed.GetValue(_podImagePullPolicy) is not (null or "Always" or "IfNotPresent" or "Never"))
        {
            mistakes.Add("--pod-image-pull-policy: must be Always, IfNotPresent or Never");
        }

        foreach (var (option, most) in new[] { (_startMinutes, MostStartMinutes), (_keepMinutes, MostMinutes) })
        {
            if (parsed.GetValue(option) is var minutes && (minutes < 1 || minutes > most))
            {
                mistakes.Add($"{option.Name}: must be 1 to {most}");
            }
        }

        return mistakes.Count > before ? null : new KubernetesSettings(
            image!,
            parsed.GetValue(_podImagePullPolicy),
            kubeconfig,
            parsed.GetValue(_namespace),
            parsed.GetValue(_stepImage) ?? (Environment.GetEnvironmentVariable("LANYARD_STEP_IMAGE") is { Length: > 0 } steps ? steps : null),
            parsed.GetValue(_serviceAccount)!,
            parsed.GetValue(_allowed) ?? [],
            TimeSpan.FromMinutes(parsed.GetValue(_startMinutes)),
            TimeSpan.FromMinutes(parsed.GetValue(_keepMinutes)),
            parsed.GetValue(_lease));
    }

    /// <summary>Options that mean nothing to a runner of processes.</summary>
    public void RefuseAll(ParseResult parsed, List<string> mistakes) => mistakes.AddRange(
        All.Where(option => parsed.GetResult(option) is { Implicit: false }).Select(option => $"{option.Name}: only with --executor kubernetes"));
}
