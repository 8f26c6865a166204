using Lanyard.Identity;
using Lanyard.Server.Hosting;
using Lanyard.Server.Storage;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Operations;

/// <summary>
/// Keeps runs from starting each other for ever: a chain is at most <see cref="MaxDepth"/> long, and under one root at most <see cref="MaxPerMinute"/> runs a
/// minute and <see cref="MaxPerRoot"/> in all are started, however many start them. Counted in the database, one statement a start, so that replicas count together;
/// a start that then fails is counted too. A replica whose clock is not yet in the minute that another has counted in counts in that one: by turns each would begin anew.
/// </summary>
internal sealed class LoopGuard(Database database, TimeProvider time)
{
    public const int MaxDepth = 4;
    public const int MaxPerMinute = 20;
    public const int MaxPerRoot = 500;

    /// <summary>Longer than anything lives that could start a run.</summary>
    private static readonly TimeSpan Kept = TimeSpan.FromDays(14);

    /// <returns>Null where it may be started; else Forbidden (too deep, too many in all) or TooManyRequests (in this minute).</returns>
    public async Task<Refusal?> TakeAsync(OperationChain caller, CancellationToken cancellationToken)
    {
        if (caller.Depth >= MaxDepth) return new Refusal(RefusalReason.Forbidden, $"{caller.Root} began a chain of {MaxDepth} runs that started each other: it goes no further");
        var now = time.GetUtcNow();
        var minute = now.ToUnixTimeSeconds() / 60;
        var taken = await database.ExecuteAsync(
            $"""
            insert into operation_roots (root, total, minute, in_minute, updated) values ({caller.Root}, 1, {minute}, 1, {now})
            on conflict (root) do update set total = operation_roots.total + 1, updated = excluded.updated,
                minute = case when operation_roots.minute - excluded.minute between 0 and 1 then operation_roots.minute else excluded.minute end,
                in_minute = case when operation_roots.minute - excluded.minute between 0 and 1 then operation_roots.in_minute + 1 else 1 end
            where operation_roots.total < {MaxPerRoot} and (operation_roots.minute - excluded.minute not between 0 and 1 or operation_roots.in_minute < {MaxPerMinute})
            """,
            cancellationToken);
        if (taken == 1) return null;
        var total = await database.ScalarAsync($"select total from operation_roots where root = {caller.Root}", cancellationToken);
        return total >= MaxPerRoot
            ? new Refusal(RefusalReason.Forbidden, $"{MaxPerRoot} runs were started under {caller.Root}: no more are")
            : new Refusal(RefusalReason.TooManyRequests, $"{MaxPerMinute} runs were started under {caller.Root} in this minute");
    }

    public Task<int> SweepAsync(CancellationToken cancellationToken) =>
        database.ExecuteAsync($"delete from operation_roots where updated < {time.GetUtcNow() - Kept}", cancellationToken);
}

/// <summary>Drops counts of roots that are long gone.</summary>
internal sealed class LoopGuardSweeper(LoopGuard guard, TimeProvider time, ILogger<LoopGuardSweeper> logger) : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Rounds.RepeatAsync("sweep of counts of started runs", TimeSpan.FromHours(1), guard.SweepAsync, time, logger, stoppingToken);
}
