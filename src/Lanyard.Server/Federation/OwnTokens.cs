using Lanyard.Identity;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Tokens;
using Lanyard.Server.Http;

namespace Lanyard.Server.Federation;

/// <summary>
/// Judges tokens that this instance signed for itself: API tokens and runtime tokens. Same chain; their roles are not in them but read anew from
/// what they rest on (key, policies, runner, run), so that a change there is felt here.
/// </summary>
internal sealed class OwnTokens(
    Instance instance, TokenVerifier verifier, AdminKeys admins, TokenMemory memory, PolicyDirectory policies, TrustDirectory trust, Revocations revocations,
    DoorQuestions questions)
{
    private static readonly ClaimPath Thumbprint = ClaimPath.TryParse("cnf.jkt")!;
    private static readonly ClaimPath ActorName = ClaimPath.TryParse("act.sub")!;
    private static readonly IReadOnlyList<string> AccessTokenTypes = [TokenMint.AccessTokenType];

    public bool IsOurs(UnverifiedToken token) => token.Issuer == instance.Url;

    public async ValueTask<Outcome<Principal>> JudgeAsync(UnverifiedToken parsed, Doors doors, string? workspaceId, Trace? trace, CancellationToken cancellation)
    {
        var outcome = await VerifyAsync(parsed, doors, trace, cancellation);
        return outcome.IsRefused ? outcome.Refusal : await ResolveAsync(outcome.Value, workspaceId, trace, cancellation);
    }

    /// <summary>Steps 1 to 8.</summary>
    public async ValueTask<Outcome<VerifiedToken>> VerifyAsync(UnverifiedToken parsed, Doors doors, Trace? trace, CancellationToken cancellation)
    {
        var keys = await questions.InstanceKeys(parsed.KeyId, cancellation);
        var options = new VerifyOptions { DefaultAudience = instance.Url, Types = AccessTokenTypes, RequireTokenId = true };
        return verifier.Verify(parsed, Record(doors), keys, options, trace);
    }

    /// <summary>Steps 9 and 10: what a verified token gives now.</summary>
    public async ValueTask<Outcome<Principal>> ResolveAsync(VerifiedToken token, string? workspaceId, Trace? trace, CancellationToken cancellation)
    {
        var origin = TokenLine.Through(token);
        if (memory.IsRevoked(origin)) return Refuse(trace, RefusalReason.Revoked, "the token was revoked, or one that it was exchanged for");
        var revoked = await revocations.GetAsync(cancellation);
        if ((revoked.Refuses(token, null) ?? revoked.RefusesOrigin(origin, null)) is { } ended) return Refuse(trace, ended);
        if (!token.Claims.TryGetString(OwnClaims.Kind, out var kind)) return Refuse(trace, RefusalReason.ClaimMissing, $"no claim {OwnClaims.Kind}");
        var isRuntime = token.Audiences.Contains(instance.RuntimeAudience);
        var principal = (kind, isRuntime) switch
        {
            ("admin", false) => await AdminAsync(token, cancellation),
            ("policy", false) => await PolicyAsync(token, OwnClaims.Policies, workspaceId, revoked, cancellation),
            ("runner", false) => await RunnerAsync(token, revoked, cancellation),
            ("run", true) => await LivingAsync(PrincipalKind.Run, token, revoked, cancellation),
            ("machine", true) => await LivingAsync(PrincipalKind.Machine, token, revoked, cancellation),
            _ => new Refusal(RefusalReason.TokenTypeNotAllowed, $"a token of kind {kind} is not for this audience"),
        };
        if (principal.IsRefused)
        {
            trace?.Refuse(principal.Refusal);
            return principal;
        }

        if (revoked.RefusesPrincipal(principal.Value.WorkspaceId, principal.Value.Name) is { } gone) return Refuse(trace, gone);
        var bound = Bound(token, principal.Value);
        if (!bound.IsRefused && revoked.RefusesActors(bound.Value.ActorJson, bound.Value.WorkspaceId) is { } acting) return Refuse(trace, acting);
        trace?.Pass(Stage.Liveness, $"{principal.Value.Name} stands");
        return bound;
    }

    /// <summary>What the token says of itself beyond whose it is: a key that it is bound to, who acts with it, what it was narrowed to.</summary>
    private static Outcome<Principal> Bound(VerifiedToken token, Principal principal)
    {
        if (token.Claims.TryGet("cnf", out _))
        {
            if (!token.Claims.TryFind(Thumbprint, out var value) || !value.TryGetString(out var thumbprint)) return new Refusal(RefusalReason.ClaimMalformed, "cnf has no jkt");
            principal = principal with { Confirmation = thumbprint };
        }

        if (token.Claims.TryGet("act", out var act))
        {
            var name = token.Claims.TryFind(ActorName, out var value) && value.TryGetString(out var actor) ? actor : "somebody";
            principal = principal with { ActorJson = act.ToElement().GetRawText(), Evidence = [.. principal.Evidence, $"acting for it: {name}"] };
        }

        if (!token.Claims.TryGetStrings(OwnClaims.Limits, out var written)) return principal;
        AccessLimit?[] limits = [.. written.Select(AccessLimit.Parse)];
        return limits.Contains(null) ? new Refusal(RefusalReason.ClaimMalformed, OwnClaims.Limits) : AccessLimit.Apply(principal, limits!);
    }

    private TrustedIssuer Record(Doors doors)
    {
        var audiences = new List<string>(2);
        if (doors.HasFlag(Doors.Api)) audiences.Add(instance.Url);
        if (doors.HasFlag(Doors.Runtime)) audiences.Add(instance.RuntimeAudience);
        return new TrustedIssuer { Id = "instance", Issuer = instance.Url, Keys = KeySource.Uploaded, Audiences = audiences };
    }

    private async ValueTask<Outcome<Principal>> AdminAsync(VerifiedToken token, CancellationToken cancellation)
    {
        var clientId = token.Claims.TryGetString(OwnClaims.Id, out var id) ? id : "";
        if (await admins.FindAsync(clientId, cancellation) is null) return new Refusal(RefusalReason.Revoked, $"the admin key {clientId} is no longer registered");
        return Of(PrincipalKind.Admin, token) with { SubjectId = clientId, Roles = [new RoleBinding(Scope.Instance, Role.Admin)] };
    }

    /// <summary>A runner that proves itself by a trust policy is that runner as long as the policy stands, and is its proof.</summary>
    private async ValueTask<Outcome<Principal>> RunnerAsync(VerifiedToken token, RevocationSet revoked, CancellationToken cancellation)
    {
        var runner = token.Claims.TryGetString(OwnClaims.Id, out var id) ? await questions.RunnerById(id, cancellation) : null;
        if (runner is null) return new Refusal(RefusalReason.SubjectEnded, "the runner is no longer registered");
        if (revoked.RefusesOrigin(TokenLine.Through(token), runner.WorkspaceId) is { } ended) return ended;
        var own = Of(PrincipalKind.Runner, token) with { SubjectId = runner.Id, WorkspaceId = runner.WorkspaceId };
        if (token.Claims.TryGet(OwnClaims.Policies, out _))
        {
            var rests = await PolicyAsync(token, OwnClaims.Policies, runner.WorkspaceId, revoked, cancellation);
            if (rests.IsRefused) return rests.Refusal;
            own = own with { Policies = rests.Value.Policies };
        }

        return runner.IsProvenBy(own.Policies) ? own : new Refusal(RefusalReason.Revoked, $"{runner.Id} proves itself otherwise now");
    }

    /// <summary>A token rests on the policies and the trust records that it names: what was changed or removed gives nothing any more.</summary>
    /// <param name="claim">In which it names its policies.</param>
    /// <param name="workspaceId">Only policies of that workspace count; null: all.</param>
    public async ValueTask<Outcome<Principal>> PolicyAsync(
        VerifiedToken token, string claim, string? workspaceId, RevocationSet revoked, CancellationToken cancellation)
    {
        var records = new List<KnownIssuer>();
        var claimed = token.Claims.TryGetString(OwnClaims.TrustRecord, out var text) ? text : "";
        var origin = TokenLine.Through(token);
        Refusal? ended = null;
        foreach (var versioned in claimed.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (await trust.FindAsync(versioned, cancellation) is not { } record) continue;
            if (revoked.RefusesOrigin(origin, record.Record.WorkspaceId) is { } refusal) ended = refusal;
            else records.Add(record);
        }

        if (records.Count == 0) return ended ?? new Refusal(RefusalReason.Revoked, $"the trust record {claimed} was changed or removed");

        var named = token.Claims.TryGetStrings(claim, out var list) ? list : [];
        var facets = new List<PrincipalFacet>();
        foreach (var policy in await policies.StandingAsync(named, cancellation))
            if (records.FirstOrDefault(policy.IsFor) is { } record) facets.Add(FacetOf(token, policy, record));
        if (facets.Count == 0) return new Refusal(RefusalReason.Revoked, "every trust policy that it rests on was changed or removed");
        if (!revoked.IsEmpty)
        {
            facets.RemoveAll(facet =>
            {
                var gone = revoked.RefusesPrincipal(facet.WorkspaceId, facet.Name) ?? revoked.RefusesOrigin(origin, facet.WorkspaceId);
                ended = gone ?? ended;
                return gone is not null;
            });
            if (facets.Count == 0) return ended!;
        }

        PrincipalFacet[] own = [.. facets.Where(facet => workspaceId is null || facet.WorkspaceId == workspaceId)];
        return own.Length == 0
            ? new Refusal(RefusalReason.NoMatchingPolicy, "the trust policies that it rests on are of another workspace")
            : PrincipalFacet.Together(Of(PrincipalKind.Policy, token), own);
    }

    private static PrincipalFacet FacetOf(VerifiedToken token, KnownPolicy policy, KnownIssuer record) => new(
        policy.WorkspaceId, token.Subject, policy.Versioned, record.Versioned, policy.Roles, policy.Audiences, policy.Policy.Introspects,
        ContextOf(token, policy), [$"our own token {token.TokenId}"], policy.Terms);

    /// <summary>What the workload token said when it was exchanged, as far as this policy mapped it.</summary>
    private static List<VerifiedFact> ContextOf(VerifiedToken token, KnownPolicy policy)
    {
        var facts = new List<VerifiedFact>();
        foreach (var written in token.Claims.TryGetStrings(OwnClaims.Context, out var list) ? list : [])
        {
            var parts = written.Split(' ');
            if (parts[0] == policy.Versioned) facts.Add(policy.Fact(parts[1], parts.Length > 2 ? parts[2] : null));
        }

        return facts;
    }

    private async ValueTask<Outcome<Principal>> LivingAsync(PrincipalKind kind, VerifiedToken token, RevocationSet revoked, CancellationToken cancellation)
    {
        int? attempt = token.Claims.TryGetInt64(ClaimNames.Attempt, out var number) ? checked((int)number) : null;
        if (!await questions.IsAlive(kind, token.Subject, attempt, cancellation)) return new Refusal(RefusalReason.SubjectEnded, $"{token.Subject} has ended");
        var workspace = token.Claims.TryGetString(ClaimNames.WorkspaceId, out var id) ? id : null;
        if (revoked.RefusesOrigin(TokenLine.Through(token), workspace) is { } ended) return ended;
        return Of(kind, token) with { SubjectId = token.Subject, Attempt = attempt, WorkspaceId = workspace };
    }

    private static Principal Of(PrincipalKind kind, VerifiedToken token) => new()
    {
        Kind = kind,
        Name = token.Subject,
        Evidence = [$"our own token {token.TokenId}"],
        TokenSha256 = token.Sha256.ToString(),
        TokenId = token.TokenId,
        ExpiresAt = token.ExpiresAt,
        Origin = TokenLine.Through(token),
    };

    private static Refusal Refuse(Trace? trace, RefusalReason reason, string detail) => Refuse(trace, new Refusal(reason, detail));

    private static Refusal Refuse(Trace? trace, Refusal refusal)
    {
        trace?.Refuse(refusal);
        return refusal;
    }
}
