namespace Lanyard.Cli.Runner.Kubernetes;

/// <summary>What a runner that makes pods was told at its start.</summary>
/// <param name="PodImage">The image that has this program: container <c>lanyard</c> of every pod.</param>
/// <param name="Kubeconfig">Null: the runner runs in the cluster itself.</param>
/// <param name="Namespace">Where the pods are; null: the runner's own namespace.</param>
/// <param name="StepImage">Of steps whose definition and collection name none; null: such a run fails.</param>
/// <param name="ServiceAccount">Of pods whose definition and collection name none.</param>
/// <param name="AllowedServiceAccounts">What definitions and collections may name besides.</param>
/// <param name="StartLimit">How long a pod may take until its containers run.</param>
/// <param name="Lease">Name of the Lease by which replicas elect a leader; null: there is one process only.</param>
/// <param name="Keep">How long Jobs stay after their end, for people to look at.</param>
internal sealed record KubernetesSettings(
    string PodImage,
    string? PodImagePullPolicy,
    string? Kubeconfig,
    string? Namespace,
    string? StepImage,
    string ServiceAccount,
    IReadOnlyList<string> AllowedServiceAccounts,
    TimeSpan StartLimit,
    TimeSpan Keep,
    string? Lease = null)
{
    public const string DefaultServiceAccount = "lanyard-run";
}
