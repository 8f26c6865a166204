using System.Globalization;
using Lanyard.Server.Issuers;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Runs.Opentofu;

/// <summary>What runs have planned, encrypted with the key outside the database and bound to its run. A plan goes when its run has applied it or is over.</summary>
internal sealed class PlanStore(Database database, KeyEncryption encryption)
{
    /// <summary>The statement itself looks whether the attempt still plans: much may have happened while its plan was on the way, another's approval among it.</summary>
    /// <returns>False when it does not.</returns>
    public async Task<bool> PutAsync(string run, int attempt, ReadOnlyMemory<byte> plan, long now, CancellationToken cancellationToken)
    {
        var box = encryption.Encrypt(plan.Span, run, Kid(attempt));
        return await database.ExecuteAsync(
            $"""
            insert into plans (run, attempt, box, created_at)
            select id, {attempt}, {box}, {now} from runs where id = {run} and attempt = {attempt} and live and phase = {RunRules.PlanPhase}
            on conflict (run) do update set attempt = excluded.attempt, box = excluded.box, created_at = excluded.created_at
            """,
            cancellationToken) == 1;
    }

    public async Task<byte[]?> FindAsync(string run, CancellationToken cancellationToken) =>
        await database.QuerySingleOrNullAsync(
            $"select attempt, box from plans where run = {run}", static row => new Box(row.GetInt(0), row.GetBytes(1)), cancellationToken) is { } found
            ? encryption.Decrypt(found.Bytes, run, Kid(found.Attempt))
            : null;

    /// <summary>Plans of runs that are over: they hold what variables held.</summary>
    public Task RemoveFinishedAsync(CancellationToken cancellationToken) => database.ExecuteAsync(
        $"delete from plans where run in (select plans.run from plans join runs on runs.id = plans.run where runs.finished_at > 0)", cancellationToken);

    private static string Kid(int attempt) => string.Create(CultureInfo.InvariantCulture, $"plan/{attempt}");

    private sealed record Box(int Attempt, byte[] Bytes);
}
