using Lanyard.Identity;
using Lanyard.Protocol.Runtime;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Machines;

/// <summary>
/// <c>POST /runtime/machines/renew</c>: a living machine moves its own end by its lifetime and gets a fresh token; never beyond a day from its making. The older
/// token stays good until its own end, so that a lost answer costs nothing.
/// </summary>
internal static class MachineRenewal
{
    public static async Task<IResult> PostAsync(HttpContext context, RenewalBudget budget, MachineDirectory directory, MachineStore store, MachineTokens tokens, TimeProvider time)
    {
        if (Access.PrincipalOf(context) is not { } principal) return new Refused(new Refusal(RefusalReason.TokenMissing, "no bearer token"));
        if (principal.Kind != PrincipalKind.Machine) return new Refused(new Refusal(RefusalReason.TokenTypeNotAllowed, $"{principal.Name} is no machine"));
        if (await directory.FindAliveAsync(principal.SubjectId!, context.RequestAborted) is not { } machine)
            return new Refused(new Refusal(RefusalReason.SubjectEnded, $"{principal.SubjectId} has ended"));
        if (!budget.TryTake(machine.Id)) return new Refused(new Refusal(RefusalReason.TooManyRequests, $"{machine.Id} renews itself more than {RenewalBudget.PerMinute} times a minute"));
        var now = DateTimeOffset.FromUnixTimeMilliseconds(time.GetUtcNow().ToUnixTimeMilliseconds());
        var (wanted, last) = (now.AddSeconds(machine.LifetimeSeconds), machine.CreatedAt.AddSeconds(MachineRules.MaxLifetimeSeconds));
        var until = wanted < last ? wanted : last;
        if (until < machine.ExpiresAt) until = machine.ExpiresAt;
        if (!await store.RenewAsync(machine, until, now, AuditEvent.Of(context, "machine.renew"), () => directory.Changed(machine.Id), context.RequestAborted))
            return new Refused(new Refusal(RefusalReason.SubjectEnded, $"{machine.Id} has ended"));
        var renewed = machine with { ExpiresAt = until };
        context.Response.Headers.CacheControl = "no-store";
        return Results.Json(new MachineCreated(renewed.ToView(), await tokens.MintAsync(renewed, context.RequestAborted)), RuntimeJson.Default.MachineCreated);
    }
}

/// <summary>How often one machine renews itself; for each replica.</summary>
internal sealed class RenewalBudget(TimeProvider time)
{
    public const int PerMinute = 10;

    private readonly Budget _budget = new(time, PerMinute, all: 100_000, TimeSpan.FromMinutes(1));

    public bool TryTake(string machine) => _budget.TrySpend(machine);
}
