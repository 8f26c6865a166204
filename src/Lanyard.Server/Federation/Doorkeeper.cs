using Lanyard.Identity;
using Lanyard.Identity.Tokens;
using Lanyard.Server.Http;

namespace Lanyard.Server.Federation;

/// <summary>
/// The one way from a presented token to a <see cref="Principal"/>, for the API, the run protocol, the runtime API and the exchange alike: the chain of
/// docs/security-model.md. A judgement is remembered by the token's SHA-256 until it expires or keys, policies, runners or trust change.
/// </summary>
internal sealed class Doorkeeper(
    Instance instance,
    TokenVerifier verifier,
    OwnTokens own,
    TrustDirectory trust,
    PolicyDirectory policies,
    KeyLookup keys,
    TokenMemory memory,
    Revocations revocations,
    StaleKeys stale,
    TokenReviews reviews,
    DoorQuestions questions,
    WorkflowTokens workflows,
    TimeProvider time)
{
    private const int Capacity = 100_000;
    private readonly RememberedTokens<Judgement> _remembered = new(Capacity, time);
    private readonly Sightings _sightings = new();

    /// <param name="doors">Which audiences of our own tokens are taken.</param>
    /// <param name="workspaceId">Only trust of that workspace and of the instance counts; null: all.</param>
    /// <param name="trace">With a trace everything is judged anew.</param>
    public async ValueTask<Outcome<Principal>> AdmitAsync(string token, Doors doors, string? workspaceId, Trace? trace, CancellationToken cancellation)
    {
        var sha256 = TokenHash.Of(token.AsSpan());
        var hash = RememberedBy(sha256, doors, workspaceId);
        // What is reviewed is judged anew each time: the API server's answer is kept for some seconds, and not for as long as the token lives.
        if (trace is null && _remembered.TryGet(hash, out var before) && before.Doors == doors && before.WorkspaceId == workspaceId)
            return await StillAsync(before.Principal, cancellation);

        var epoch = _remembered.Epoch;
        var (outcome, mayRemember) = await JudgeAsync(token, sha256, doors, workspaceId, trace, cancellation);
        if (!outcome.IsRefused && mayRemember && _sightings.Again(hash)) _remembered.Remember(hash, new Judgement(outcome.Value, doors, workspaceId), outcome.Value.ExpiresAt, epoch);
        return outcome;
    }

    /// <summary>As <see cref="AdmitAsync"/>, for explain: nothing is remembered, and only what is asked about is considered.</summary>
    /// <param name="policy">Slug of the one trust policy to judge by.</param>
    /// <param name="record">What a policy calls the one trust record to judge by, such as <c>cluster/lab</c>.</param>
    public async ValueTask<Outcome<Principal>> ExplainAsync(string token, string? workspaceId, string? policy, string? record, Trace trace, CancellationToken cancellation) =>
        (await JudgeAsync(token, null, Doors.Api | Doors.Runtime | Doors.Workflow, workspaceId, trace, cancellation, policy, record)).Outcome;

    /// <summary>A token is judged anew for other doors and for another workspace, and each judgement is remembered beside the others.</summary>
    private static TokenHash RememberedBy(TokenHash hash, Doors doors, string? workspaceId)
    {
        if (workspaceId is null) return hash with { D = hash.D ^ (ulong)doors };
        var place = TokenHash.Of(workspaceId.AsSpan());
        return new TokenHash(hash.A ^ place.A, hash.B ^ place.B, hash.C ^ place.C, hash.D ^ place.D ^ (ulong)doors);
    }

    /// <summary>Keys, policies, runners or trust changed, here or on another replica: everything is judged anew.</summary>
    public void Forget() => _remembered.Forget();

    /// <returns>And whether it may be remembered: every record that may vouch has been asked, and none of them wants a review.</returns>
    private async ValueTask<(Outcome<Principal> Outcome, bool MayRemember)> JudgeAsync(
        string token, TokenHash? hash, Doors doors, string? workspaceId, Trace? trace, CancellationToken cancellation, string? onlyPolicy = null, string? onlyRecord = null)
    {
        var parsed = UnverifiedToken.Parse(token, hash, trace);
        if (parsed.IsRefused) return (parsed.Refusal, true);
        if (own.IsOurs(parsed.Value)) return (await own.JudgeAsync(parsed.Value, doors, workspaceId, trace, cancellation), true);

        var records = await trust.ByIssuerAsync(parsed.Value.Issuer, workspaceId, cancellation);
        if (onlyRecord is not null) records = [.. records.Where(known => known.PolicyName == onlyRecord)];
        if (!doors.HasFlag(Doors.Workflow)) records = [.. records.Where(static record => record.Workflows is null)];
        var options = new VerifyOptions { DefaultAudience = instance.Url };
        var judged = await verifier.JudgeAllAsync(parsed.Value, [.. records.Select(r => r.Issuer)], keys, options, trace, cancellation);
        if (judged is { IsRefused: true, Refusal.Reason: RefusalReason.KeyUnknown } && trace is null) await stale.SawUnknownKeyAsync(parsed.Value, records, cancellation);
        if (judged.IsRefused) return (judged.Refusal, true);
        return (await ResolveAsync(judged.Value.Tokens, token, doors, workspaceId, trace, onlyPolicy, cancellation), judged.Value.IsComplete && !records.Any(static record => record.IsReviewed));
    }

    /// <summary>
    /// Step 9: a registered runner, or whoever the trust policies say. Several workspaces may trust one issuer with a record each: each of them is asked about the
    /// token as that record verified it, and what a policy gives is bound to the policy's own place.
    /// </summary>
    private async ValueTask<Outcome<Principal>> ResolveAsync(
        IReadOnlyList<VerifiedToken> tokens, string presented, Doors doors, string? workspaceId, Trace? trace, string? onlyPolicy, CancellationToken cancellation)
    {
        var vouched = new Vouched();
        var revoked = await revocations.GetAsync(cancellation);
        Refusal? nearest = null;
        foreach (var token in tokens)
        {
            if (await trust.ByIdAsync(token.TrustRecordId, cancellation) is not { } record)
            {
                nearest ??= new Refusal(RefusalReason.IssuerUnknown, "the trust record was removed just now");
                continue;
            }

            var ending = revoked.Of(token);
            if ((ending.In(record.Record.WorkspaceId) ?? await reviews.CheckAsync(record, token, presented, trace, cancellation)) is { } ended)
            {
                trace?.Refuse(ended);
                nearest = ended;
                continue;
            }

            if (record.Workflows is not null) return workflows.PrincipalOf(token, record, trace);
            if (await StandingAsync(token, record, revoked, trace, cancellation) is var (place, standing))
            {
                vouched.Add(place, record, standing);
                if (standing.IsRefused) nearest = standing.Refusal;
                continue;
            }

            var (matches, refusal) = await policies.MatchAsync(token, record, workspaceId, trace, cancellation, onlyPolicy);
            nearest ??= refusal;
            foreach (var facet in matches.Select(match => FacetOf(match, record)))
            {
                if ((revoked.RefusesPrincipal(facet.WorkspaceId, facet.Name) ?? ending.In(facet.WorkspaceId)) is not { } gone)
                {
                    vouched.Add(facet);
                    continue;
                }

                nearest = gone;
                trace?.Refuse(gone);
            }
        }

        return vouched.Choose(Of(PrincipalKind.Policy, "", tokens[0]), doors.HasFlag(Doors.Runs), workspaceId) ?? nearest!;
    }

    /// <summary>The pod or runner that the token is of under this record, with its workspace; or null.</summary>
    private async ValueTask<(string? WorkspaceId, Outcome<Principal> Outcome)?> StandingAsync(
        VerifiedToken token, KnownIssuer record, RevocationSet revoked, Trace? trace, CancellationToken cancellation)
    {
        if (await questions.PodOf(token, cancellation) is { } pod)
            return (pod.WorkspaceId, revoked.RefusesPrincipal(pod.WorkspaceId, $"runner:{pod.Runner}") is { } stopped ? stopped : await PodPrincipalAsync(pod, token, record, trace, cancellation));
        if (await questions.RunnerOf(token, cancellation) is { } runner)
            return (runner.WorkspaceId, revoked.RefusesPrincipal(runner.WorkspaceId, $"runner:{runner.Id}") is { } gone ? gone : RunnerPrincipal(runner, token, record, trace));
        return null;
    }

    private static PrincipalFacet FacetOf(PolicyHit match, KnownIssuer record) => new(
        match.Policy.WorkspaceId, match.PrincipalName, match.Policy.Versioned, record.Versioned, match.Policy.Roles, match.Policy.Audiences,
        match.Policy.Policy.Introspects, match.Context, match.Evidence, match.Policy.Terms);

    private static Principal RunnerPrincipal(KnownRunner runner, VerifiedToken token, KnownIssuer record, Trace? trace)
    {
        trace?.Pass(Stage.Policy, $"subject {token.Subject} of {record.Record.Slug} is the runner {runner.Id}");
        return Of(PrincipalKind.Runner, $"runner:{runner.Id}", token) with
        {
            SubjectId = runner.Id,
            WorkspaceId = runner.WorkspaceId,
            TrustRecord = record.Versioned,
            Evidence = [$"{record.Record.Slug}: {token.Subject}"],
        };
    }

    /// <summary>A pod is its attempt's and nothing else, whatever else its service account may be: after the attempt's end it gets nothing.</summary>
    private async ValueTask<Outcome<Principal>> PodPrincipalAsync(
        KnownPod pod, VerifiedToken token, KnownIssuer record, Trace? trace, CancellationToken cancellation)
    {
        trace?.Pass(Stage.Policy, $"bound to the pod of attempt {pod.Attempt} of {pod.Run}");
        var principal = Of(PrincipalKind.Pod, $"pod:{pod.Run}/{pod.Attempt}", token) with
        {
            SubjectId = pod.Run,
            Attempt = pod.Attempt,
            RunnerId = pod.Runner,
            WorkspaceId = pod.WorkspaceId,
            TrustRecord = record.Versioned,
            Evidence = [$"{record.Record.Slug}: {token.Subject}"],
        };
        var standing = await StillAsync(principal, cancellation);
        if (standing.IsRefused) trace?.Refuse(standing.Refusal);
        return standing;
    }

    /// <summary>Step 10 for a remembered token: what ends at once is asked every time.</summary>
    private async ValueTask<Outcome<Principal>> StillAsync(Principal principal, CancellationToken cancellation)
    {
        if (principal.TokenId is not null && memory.IsRevoked(principal.Origin)) return new Refusal(RefusalReason.Revoked, "the token was revoked, or one that it was exchanged for");
        if (principal.Kind == PrincipalKind.Runner)
            return await questions.RunnerById(principal.SubjectId!, cancellation) is { } runner && runner.IsProvenBy(principal.Policies)
                ? principal
                : new Refusal(RefusalReason.SubjectEnded, $"the runner {principal.SubjectId} is no longer registered, or proves itself otherwise");
        if (principal.Kind == PrincipalKind.Workflow)
            return workflows.IsStanding(principal) ? principal : new Refusal(RefusalReason.IssuerUnknown, $"the workspace of {principal.Name} is gone");
        if (principal.Kind is not (PrincipalKind.Run or PrincipalKind.Machine or PrincipalKind.Pod)) return principal;
        if (principal.Kind == PrincipalKind.Pod && await questions.RunnerById(principal.RunnerId!, cancellation) is null)
            return new Refusal(RefusalReason.SubjectEnded, $"the runner {principal.RunnerId}, whose pod it is, is no longer registered");
        return await questions.IsAlive(principal.Kind, principal.SubjectId!, principal.Attempt, cancellation)
            ? principal
            : new Refusal(RefusalReason.SubjectEnded, $"{principal.SubjectId} has ended");
    }

    private static Principal Of(PrincipalKind kind, string name, VerifiedToken token) => new()
    {
        Kind = kind,
        Name = name,
        TokenSha256 = token.Sha256.ToString(),
        TokenId = null,
        ExpiresAt = token.ExpiresAt,
        Origin = TokenLine.Of(token),
    };

    private sealed record Judgement(Principal Principal, Doors Doors, string? WorkspaceId);
}
