using Lanyard.Identity.Tokens;
using Lanyard.Server.Federation;

namespace Lanyard.Server.Exchange;

/// <summary>
/// Whether a token of ours still stands, for introspection: what our own doors take is asked of the door that takes it; an identity token stands with the run
/// or machine that it was made for, or with all that lets its principal in, and always with the tokens that it came from.
/// </summary>
internal sealed class TokenStanding(OwnTokens own, TokenMemory memory, Revocations revocations, ExchangeQuestions questions)
{
    /// <param name="workspaceId">Whose issuer signed it; null: the instance's.</param>
    public async ValueTask<bool> IsGoodAsync(VerifiedToken token, string? workspaceId, CancellationToken cancellation)
    {
        if (workspaceId is null) return !(await own.ResolveAsync(token, workspaceId: null, trace: null, cancellation)).IsRefused;

        var run = token.Claims.TryGetString(ClaimNames.Run, out var named) ? named : null;
        var machine = token.Claims.TryGetString(ClaimNames.Machine, out named) ? named : null;
        var revoked = await revocations.GetAsync(cancellation);
        var line = TokenLine.Through(token);
        if (memory.IsRevoked(line) || IsRevoked(revoked, token, line, run ?? machine, workspaceId)) return false;
        if (run is not null) return token.Claims.TryGetInt64(ClaimNames.Attempt, out var attempt) && await questions.IsAlive(run, (int)attempt, cancellation);
        if (machine is not null) return await questions.IsMachineAlive(machine, cancellation);
        return !(await own.PolicyAsync(new OwnToken(token, line, revoked), ClaimNames.Policies, workspaceId, cancellation)).IsRefused;
    }

    private static bool IsRevoked(RevocationSet revoked, VerifiedToken token, IReadOnlyList<string> line, string? bearer, string workspaceId)
    {
        if (revoked.IsEmpty) return false;
        var acting = token.Claims.TryGet("act", out var act) ? act.ToElement().GetRawText() : null;
        var ended = revoked.RefusesPrincipal(workspaceId, bearer ?? token.Subject)
            ?? revoked.RefusesActors(acting, workspaceId)
            ?? revoked.Of(token).In(workspaceId)
            ?? revoked.RefusesOrigin(line, bearer is null ? null : workspaceId);
        return ended is not null;
    }
}
