using Lanyard.Server.Audit;
using Lanyard.Server.Runners;

namespace Lanyard.Server.Runs;

/// <summary>
/// Deletes ephemeral runners that have had their one run. A minute after its end, so that a runner whose last answer was lost can still ask again; it is
/// offered nothing in between (<see cref="ClaimStore.ClaimWithinAsync"/>).
/// </summary>
internal sealed class EphemeralRunners(ClaimStore claims, RunnerStore store, RunnerDirectory directory, RunRules rules)
{
    public static readonly TimeSpan Linger = TimeSpan.FromMinutes(1);
    private const int Batch = 200;

    public async Task RemoveSpentAsync(CancellationToken cancellationToken)
    {
        foreach (var (runner, version) in await claims.SpentAsync(rules.Now - (long)Linger.TotalMilliseconds, Batch, cancellationToken))
            await store.DeleteAsync(runner, version, new AuditEvent("runner.spent"), () => directory.Rewritten(runner), cancellationToken);
    }
}
