using Lanyard.Identity.Tokens;
using Lanyard.Server.Federation;
using Lanyard.Server.Http;

namespace Lanyard.Server.Exchange;

/// <summary>
/// Whether a token of ours still stands, for introspection: what our own doors take is asked of the door that takes it; an identity token stands with the run
/// or machine that it was made for, or with the policies and their issuer.
/// </summary>
internal sealed class TokenStanding(OwnTokens own, PolicyDirectory policies, TrustDirectory trust, Revocations revocations, ExchangeQuestions questions)
{
    /// <param name="workspaceId">Whose issuer signed it; null: the instance's.</param>
    public async ValueTask<bool> IsGoodAsync(string token, VerifiedToken verified, string? workspaceId, CancellationToken cancellation)
    {
        if (workspaceId is null)
            return !(await own.JudgeAsync(UnverifiedToken.Parse(token).Value, Doors.Api | Doors.Runtime, workspaceId: null, trace: null, cancellation)).IsRefused;

        var run = verified.Claims.TryGetString(ClaimNames.Run, out var named) ? named : null;
        var machine = verified.Claims.TryGetString(ClaimNames.Machine, out named) ? named : null;
        if (IsRevoked(await revocations.GetAsync(cancellation), verified, run ?? machine, workspaceId)) return false;
        if (run is not null) return verified.Claims.TryGetInt64(ClaimNames.Attempt, out var attempt) && await questions.IsAlive(run, (int)attempt, cancellation);
        if (machine is not null) return await questions.IsMachineAlive(machine, cancellation);
        return !verified.Claims.TryGetStrings(ClaimNames.Policies, out var resting) || await AnyStandsAsync(resting, cancellation);
    }

    private static bool IsRevoked(RevocationSet revoked, VerifiedToken token, string? bearer, string workspaceId)
    {
        if (revoked.IsEmpty) return false;
        var acting = token.Claims.TryGet("act", out var act) ? act.ToElement().GetRawText() : null;
        return (revoked.RefusesPrincipal(workspaceId, bearer ?? token.Subject) ?? revoked.RefusesActors(acting, workspaceId)) is not null;
    }

    /// <summary>A policy whose issuer is believed no more lets nobody in.</summary>
    private async ValueTask<bool> AnyStandsAsync(IReadOnlyList<string> resting, CancellationToken cancellation)
    {
        foreach (var policy in await policies.StandingAsync(resting, cancellation))
            if (await trust.ByNameAsync(policy.Policy.Issuer, policy.WorkspaceId, cancellation) is not null) return true;
        return false;
    }
}
