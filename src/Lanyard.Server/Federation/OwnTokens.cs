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
        var revoked = await revocations.GetAsync(cancellation);
        var judged = new OwnToken(token, TokenLine.Through(token), revoked);
        if (memory.IsRevoked(judged.Line)) return Refuse(trace, RefusalReason.Revoked, "the token was revoked, or one that it was exchanged for");
        if ((revoked.Of(token).In(workspaceId: null) ?? judged.EndedIn(workspaceId: null)) is { } ended) return Refuse(trace, ended);
        if (!token.Claims.TryGetString(OwnClaims.Kind, out var kind)) return Refuse(trace, RefusalReason.ClaimMissing, $"no claim {OwnClaims.Kind}");
        var isRuntime = token.Audiences.Contains(instance.RuntimeAudience);
        var principal = (kind, isRuntime) switch
        {
            ("admin", false) => await AdminAsync(judged, cancellation),
            ("policy", false) => await PolicyAsync(judged, OwnClaims.Policies, workspaceId, cancellation),
            ("runner", false) => await RunnerAsync(judged, cancellation),
            ("run", true) => await LivingAsync(PrincipalKind.Run, judged, cancellation),
            ("machine", true) => await LivingAsync(PrincipalKind.Machine, judged, cancellation),
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

    private async ValueTask<Outcome<Principal>> AdminAsync(OwnToken judged, CancellationToken cancellation)
    {
        var clientId = judged.Token.Claims.TryGetString(OwnClaims.Id, out var id) ? id : "";
        if (await admins.FindAsync(clientId, cancellation) is null) return new Refusal(RefusalReason.Revoked, $"the admin key {clientId} is no longer registered");
        return Of(PrincipalKind.Admin, judged) with { SubjectId = clientId, Roles = [new RoleBinding(Scope.Instance, Role.Admin)] };
    }

    /// <summary>A runner that proves itself by a trust policy is that runner as long as the policy stands, and is its proof.</summary>
    private async ValueTask<Outcome<Principal>> RunnerAsync(OwnToken judged, CancellationToken cancellation)
    {
        var token = judged.Token;
        var runner = token.Claims.TryGetString(OwnClaims.Id, out var id) ? await questions.RunnerById(id, cancellation) : null;
        if (runner is null) return new Refusal(RefusalReason.SubjectEnded, "the runner is no longer registered");
        if (judged.EndedIn(runner.WorkspaceId) is { } ended) return ended;
        var own = Of(PrincipalKind.Runner, judged) with { SubjectId = runner.Id, WorkspaceId = runner.WorkspaceId };
        if (token.Claims.TryGet(OwnClaims.Policies, out _))
        {
            var rests = await PolicyAsync(judged, OwnClaims.Policies, runner.WorkspaceId, cancellation);
            if (rests.IsRefused) return rests.Refusal;
            own = own with { Policies = rests.Value.Policies };
        }

        return runner.IsProvenBy(own.Policies) ? own : new Refusal(RefusalReason.Revoked, $"{runner.Id} proves itself otherwise now");
    }

    /// <summary>A token rests on the policies and the trust records that it names: what was changed or removed gives nothing any more.</summary>
    /// <param name="claim">In which it names its policies.</param>
    /// <param name="workspaceId">Only policies of that workspace count; null: all.</param>
    public async ValueTask<Outcome<Principal>> PolicyAsync(OwnToken judged, string claim, string? workspaceId, CancellationToken cancellation)
    {
        var token = judged.Token;
        var records = new List<KnownIssuer>();
        var claimed = token.Claims.TryGetString(OwnClaims.TrustRecord, out var text) ? text : "";
        Refusal? ended = null;
        foreach (var versioned in claimed.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (await trust.FindAsync(versioned, cancellation) is not { } record) continue;
            if (judged.EndedIn(record.Record.WorkspaceId) is { } refusal) ended = refusal;
            else records.Add(record);
        }

        if (records.Count == 0) return ended ?? new Refusal(RefusalReason.Revoked, $"the trust record {claimed} was changed or removed");

        var named = token.Claims.TryGetStrings(claim, out var list) ? list : [];
        var facets = new List<PrincipalFacet>();
        foreach (var policy in await policies.StandingAsync(named, cancellation))
            if (records.FirstOrDefault(policy.IsFor) is { } record) facets.Add(FacetOf(token, policy, record));
        if (facets.Count == 0) return new Refusal(RefusalReason.Revoked, "every trust policy that it rests on was changed or removed");
        if (!judged.Revoked.IsEmpty)
        {
            facets.RemoveAll(facet =>
            {
                var gone = judged.Revoked.RefusesPrincipal(facet.WorkspaceId, facet.Name) ?? judged.EndedIn(facet.WorkspaceId);
                ended = gone ?? ended;
                return gone is not null;
            });
            if (facets.Count == 0) return ended!;
        }

        PrincipalFacet[] own = [.. facets.Where(facet => workspaceId is null || facet.WorkspaceId == workspaceId)];
        return own.Length == 0
            ? new Refusal(RefusalReason.NoMatchingPolicy, "the trust policies that it rests on are of another workspace")
            : PrincipalFacet.Together(Of(PrincipalKind.Policy, judged), own);
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

    private async ValueTask<Outcome<Principal>> LivingAsync(PrincipalKind kind, OwnToken judged, CancellationToken cancellation)
    {
        var token = judged.Token;
        int? attempt = token.Claims.TryGetInt64(ClaimNames.Attempt, out var number) ? checked((int)number) : null;
        if (!await questions.IsAlive(kind, token.Subject, attempt, cancellation)) return new Refusal(RefusalReason.SubjectEnded, $"{token.Subject} has ended");
        var workspace = token.Claims.TryGetString(ClaimNames.WorkspaceId, out var id) ? id : null;
        if (judged.EndedIn(workspace) is { } ended) return ended;
        return Of(kind, judged) with { SubjectId = token.Subject, Attempt = attempt, WorkspaceId = workspace };
    }

    private static Principal Of(PrincipalKind kind, OwnToken judged) => new()
    {
        Kind = kind,
        Name = judged.Token.Subject,
        Evidence = [$"our own token {judged.Token.TokenId}"],
        TokenSha256 = judged.Token.Sha256.ToString(),
        TokenId = judged.Token.TokenId,
        ExpiresAt = judged.Token.ExpiresAt,
        Origin = judged.Line,
    };

    private static Refusal Refuse(Trace? trace, RefusalReason reason, string detail) => Refuse(trace, new Refusal(reason, detail));

    private static Refusal Refuse(Trace? trace, Refusal refusal)
    {
        trace?.Refuse(refusal);
        return refusal;
    }
}

/// <summary>A verified token of ours while it is judged.</summary>
/// <param name="Line">As <see cref="TokenLine.Through"/> makes it, with hashes that are worth making once.</param>
/// <param name="Revoked">All that is revoked at that moment.</param>
internal sealed record OwnToken(VerifiedToken Token, IReadOnlyList<string> Line, RevocationSet Revoked)
{
    /// <summary>Whether it, or one that it came from, is revoked there.</summary>
    public Refusal? EndedIn(string? workspaceId) => Revoked.RefusesOrigin(Line, workspaceId);
}
