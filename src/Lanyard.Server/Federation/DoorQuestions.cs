using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Server.Http;

namespace Lanyard.Server.Federation;

/// <summary>A runner, as far as the door needs it.</summary>
/// <param name="PolicyId">Of the trust policy by which alone it proves itself; null: otherwise.</param>
internal sealed record KnownRunner(string Id, string? WorkspaceId, string? PolicyId = null)
{
    /// <summary>Whether what rests on these policies (each <c>id@version</c>; none: on a key or a service account) is still how the runner proves itself.</summary>
    public bool IsProvenBy(IReadOnlyList<string> policies) =>
        PolicyId is null ? policies.Count == 0 : policies.Any(policy => policy.StartsWith(PolicyId + "@", StringComparison.Ordinal));
}

/// <summary>An attempt's pod, as far as the door needs it; the attempt may be over.</summary>
internal sealed record KnownPod(string Run, int Attempt, string Runner, string WorkspaceId);

/// <summary>
/// What the bearer door must ask of rooms that it does not know; the functions are handed in where the server is put together.
/// </summary>
/// <param name="InstanceKeys">The instance issuer's public keys; given a <c>kid</c>, read anew if it is not among them.</param>
/// <param name="PodOf">The attempt whose pod a workload token of a trust record is bound to, or null.</param>
/// <param name="RunnerOf">The runner that a workload token of a trust record stands for, or null.</param>
/// <param name="RunnerById">A runner that is still registered and may log in, or null.</param>
/// <param name="RunnerKey">The approved public key of a host's runner by client id, with its runner, or null.</param>
/// <param name="IsAlive">Whether a run's attempt or a machine lives; of a pod, whether its attempt is not over.</param>
internal sealed record DoorQuestions(
    Func<string?, CancellationToken, ValueTask<KeySet>> InstanceKeys,
    Func<VerifiedToken, CancellationToken, ValueTask<KnownPod?>> PodOf,
    Func<VerifiedToken, CancellationToken, ValueTask<KnownRunner?>> RunnerOf,
    Func<string, CancellationToken, ValueTask<KnownRunner?>> RunnerById,
    Func<string, CancellationToken, ValueTask<(VerificationKey Key, KnownRunner Runner)?>> RunnerKey,
    Func<PrincipalKind, string, int?, CancellationToken, ValueTask<bool>> IsAlive);
