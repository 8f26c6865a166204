using Lanyard.Cli.Connection;
using Lanyard.Cli.Runner.Kubernetes;
using Lanyard.Cli.Runner.Platform;
using Lanyard.Cli.Runner.Sandbox;
using Lanyard.Cli.Runner.Server;

namespace Lanyard.Cli.Runner;

internal enum SandboxChoice
{
    /// <summary>bubblewrap where it is installed.</summary>
    Automatic,
    Bubblewrap,
    None,
}

/// <summary>What a runner was told at its start. Exactly one of token file, key file and token source is there.</summary>
/// <param name="Server">The instance's public URL: also the audience of the runner's assertions.</param>
/// <param name="Authorities">To be trusted instead of the system's roots, by the runner and by the pods that it makes.</param>
/// <param name="Name">What a host's key asks to be called at registration; with a token source, the runner that this host is.</param>
/// <param name="ReadOnly">Further folders of the host that steps can read, such as a tool chain in /opt.</param>
/// <param name="CredentialsProgram">What steps find as <c>lanyard</c>; null: the one beside this program.</param>
/// <param name="FirstUid">Where the runner is root, slot n's steps run under this uid + n.</param>
/// <param name="PushKeys">The service account as which this runner tells the server of the cluster's rotated keys; null: it does not.</param>
/// <param name="ReviewTokens">With <paramref name="PushKeys"/>: it also asks the API server about tokens, for the server.</param>
/// <param name="Kubeconfig">The way to the cluster's API server; null: the pod's own.</param>
/// <param name="Limits">What one attempt may use of the host; null: <see cref="StepLimits.DefaultsFor"/>.</param>
/// <param name="Kubernetes">Attempts are pods; null: processes of this host.</param>
/// <param name="TokenSource">Where the platform says who this host is.</param>
/// <param name="Workspace">Whose runner this is, for a cluster that several workspaces know; null: not said.</param>
/// <param name="Adopts">The process starts nothing but steps, so that its other children are what they left.</param>
internal sealed record RunnerSettings(
    Uri Server,
    string WorkFolder,
    Authorities? Authorities = null,
    string? TokenFile = null,
    string? KeyFile = null,
    string? Name = null,
    int Concurrency = 4,
    IReadOnlyList<string>? Labels = null,
    SandboxChoice Sandbox = SandboxChoice.Automatic,
    bool Once = false,
    IReadOnlyList<string>? ReadOnly = null,
    string? CredentialsProgram = null,
    uint FirstUid = RunnerSettings.DefaultFirstUid,
    long LogLimit = RunnerSettings.DefaultLogLimit,
    bool Adopts = false,
    PushAccount? PushKeys = null,
    bool ReviewTokens = false,
    string? Kubeconfig = null,
    StepLimits? Limits = null,
    KubernetesSettings? Kubernetes = null,
    TokenSourceChoice? TokenSource = null,
    string? Workspace = null)
{
    public const uint DefaultFirstUid = 210_000;
    public const long DefaultLogLimit = 64L * 1024 * 1024;
}
