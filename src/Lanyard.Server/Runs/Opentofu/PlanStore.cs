using System.Globalization;
using System.Security.Cryptography;
using Lanyard.Identity;
using Lanyard.Server.Audit;
using Lanyard.Server.Issuers;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Runs.Opentofu;

/// <summary>What runs have planned, encrypted with the key outside the database and bound to its run. A plan goes when its run has applied it or is over.</summary>
internal sealed class PlanStore(Database database, AuditLog audit, KeyEncryption encryption)
{
    /// <summary>The statement itself looks whether the attempt still plans: much may have happened while its plan was on the way, another's approval among it.</summary>
    /// <param name="about">What the audit says of it, but for the plan.</param>
    /// <returns>False when it does not.</returns>
    public async Task<bool> PutAsync(string run, int attempt, ReadOnlyMemory<byte> plan, long now, AuditEvent about, CancellationToken cancellationToken)
    {
        var box = encryption.Encrypt(plan.Span, run, Kid(attempt));
        var hash = new Dictionary<string, string>(about.Details ?? new Dictionary<string, string>(), StringComparer.Ordinal) { ["sha256"] = Convert.ToHexStringLower(SHA256.HashData(plan.Span)) };
        Sql put =
            $"""
            insert into plans (run, attempt, box, created_at)
            select id, {attempt}, {box}, {now} from runs where id = {run} and attempt = {attempt} and live and phase = {RunRules.PlanPhase}
            on conflict (run) do update set attempt = excluded.attempt, box = excluded.box, created_at = excluded.created_at
            """;
        var outcome = await audit.ChangeMuchAsync<string>(
            async transaction => await transaction.ExecuteAsync(put, cancellationToken) == 1 ? run : new Refusal(RefusalReason.StaleAttempt, $"attempt {attempt} of {run} plans no more"),
            _ => about with { Details = hash },
            cancellationToken);
        return !outcome.IsRefused;
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
