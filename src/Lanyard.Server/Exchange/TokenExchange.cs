using Lanyard.Identity;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Azure;
using Lanyard.Protocol.OAuth;
using Lanyard.Server.Federation;
using Lanyard.Server.Http;
using Lanyard.Server.Issuers;

namespace Lanyard.Server.Exchange;

/// <summary>The issuer whose token endpoint was called.</summary>
/// <param name="WorkspaceId">Null: the instance's.</param>
internal sealed record CalledIssuer(string Url, string? WorkspaceId, string? WorkspaceSlug);

/// <summary>What came of a request at a token endpoint, for the answer and the audit event.</summary>
internal sealed record IssuedToken(TokenResponse Response, Principal Principal, string Subject, string Audience, string TokenId, DateTimeOffset ExpiresAt,
    string? Template = null);

/// <summary>
/// The grants of the token endpoints, RFC 8693 token exchange and client credentials with a client assertion (RFC 7523 §2.2), in phases:
/// ① form ② caller: the chain, to a principal ③ what it may have ④ lifetime ⑤ mint. Audit and answer are the endpoint's.
/// </summary>
internal sealed class TokenExchange(
    Doorkeeper door, ClientAssertions assertions, Mint mint, Instance instance, ExchangeQuestions questions, ExchangeTerms terms, Downscoping downscoping,
    TimeProvider time)
{
    /// <param name="proven">Thumbprint of the key that the caller showed to hold (RFC 9449); the token is bound to it. Null: it showed none.</param>
    public async ValueTask<Outcome<IssuedToken>> GrantAsync(TokenForm form, CalledIssuer issuer, string? proven, Trace? trace, CancellationToken cancellation)
    {
        if (form.ClientSecret is not null) return Malformed("client_secret: nobody has a password here; send a client_assertion or a subject_token");
        return form.GrantType switch
        {
            null => Malformed("grant_type is missing"),
            OAuthNames.GrantClientCredentials => await ClientCredentialsAsync(form, issuer, proven, trace, cancellation),
            OAuthNames.GrantTokenExchange => await ExchangeAsync(form, issuer, proven, trace, cancellation),
            _ => new Refusal(RefusalReason.GrantTypeNotSupported, $"grant_type {form.GrantType}"),
        };
    }

    private async ValueTask<Outcome<IssuedToken>> ClientCredentialsAsync(
        TokenForm form, CalledIssuer issuer, string? proven, Trace? trace, CancellationToken cancellation)
    {
        var client = await ClientAsync(form, issuer, trace, cancellation);
        if (client.IsRefused) return client.Refusal;
        if (form.Audiences.Any(a => a != instance.Url)) return new Refusal(RefusalReason.AudienceNotAllowed, "a client's own token is for this instance only");
        return await ApiTokenAsync(client.Value with { Confirmation = proven }, form.Scope, subjectExpires: null, cancellation);
    }

    /// <summary>② for whoever owns a key.</summary>
    public async ValueTask<Outcome<Principal>> ClientAsync(TokenForm form, CalledIssuer issuer, Trace? trace, CancellationToken cancellation)
    {
        if (form.ClientAssertionType != OAuthNames.ClientAssertionJwtBearer) return Malformed($"client_assertion_type is not {OAuthNames.ClientAssertionJwtBearer}");
        if (form.ClientAssertion is null) return Malformed("client_assertion is missing");
        return await assertions.JudgeAsync(form.ClientAssertion, form.ClientId, issuer.Url, trace, cancellation);
    }

    private async ValueTask<Outcome<IssuedToken>> ExchangeAsync(
        TokenForm form, CalledIssuer issuer, string? proven, Trace? trace, CancellationToken cancellation)
    {
        // ①
        if (form.SubjectToken is null) return Malformed("subject_token is missing");
        if (form.SubjectTokenType is not (OAuthNames.TokenTypeJwt or OAuthNames.TokenTypeIdToken or OAuthNames.TokenTypeAccessToken))
            return Malformed("subject_token_type: jwt, id_token or access_token of RFC 8693 §3");
        if (form.RequestedTokenType is not (null or OAuthNames.TokenTypeJwt or OAuthNames.TokenTypeIdToken or OAuthNames.TokenTypeAccessToken))
            return Malformed("requested_token_type: jwt, id_token or access_token of RFC 8693 §3");

        // ②
        var admitted = await door.AdmitAsync(form.SubjectToken, Doors.Api | Doors.Runtime, issuer.WorkspaceId, trace, cancellation);
        if (admitted.IsRefused) return admitted.Refusal;

        var principal = admitted.Value;
        if (terms.Check(principal, proven) is { } unmet) return Refused(trace, unmet);
        Principal? actor = null;
        if (form.ActorToken is not null || form.ActorTokenType is not null)
        {
            var acting = await Delegation.ActAsync(form, principal, door, terms, issuer.WorkspaceId, proven, cancellation);
            if (acting.IsRefused) return Refused(trace, acting.Refusal);
            (principal, actor) = acting.Value;
        }

        if (form.Runner is { } slug)
        {
            var runner = await RunnerTokens.BecomeAsync(principal, slug, issuer, form, questions, cancellation);
            if (runner.IsRefused) return Refused(trace, runner.Refusal);
            principal = runner.Value;
        }

        if (proven is not null) principal = principal with { Confirmation = proven };
        var audience = form.Audiences.Count == 0 ? instance.Url : form.Audiences[0];
        if (audience == instance.Url && form.Audiences.Count <= 1)
        {
            if (form.RequestedTokenType == OAuthNames.TokenTypeIdToken) return new Refusal(RefusalReason.AudienceNotAllowed, "an identity token needs an outside audience");
            return await UseUpAsync(form, principal, actor, cancellation) is { } used ? used : await ApiTokenAsync(principal, form.Scope, principal.ExpiresAt, cancellation);
        }

        if (form.Scope is not null) return new Refusal(RefusalReason.ScopeNotAllowed, "scope: identity tokens have none");
        if (form.RequestedTokenType == OAuthNames.TokenTypeAccessToken) return new Refusal(RefusalReason.AudienceNotAllowed, "access tokens are for this instance only");
        return await IdentityTokenAsync(form, issuer, principal, actor, audience, trace, cancellation);
    }

    /// <summary>What is refused for another reason uses nothing up.</summary>
    private async ValueTask<Refusal?> UseUpAsync(TokenForm form, Principal principal, Principal? actor, CancellationToken cancellation) =>
        await terms.UseUpAsync(principal, form.SubjectToken!, cancellation) ?? (actor is null ? null : await terms.UseUpAsync(actor, form.ActorToken!, cancellation));

    private async ValueTask<Outcome<IssuedToken>> ApiTokenAsync(Principal caller, string? scope, DateTimeOffset? subjectExpires, CancellationToken cancellation)
    {
        if (!downscoping.Narrow(caller, scope).TryGet(out var principal, out var refusal)) return refusal;
        if (principal.Kind is PrincipalKind.Run or PrincipalKind.Machine or PrincipalKind.Pod or PrincipalKind.Workflow)
            return new Refusal(RefusalReason.AudienceNotAllowed, "a run, machine, pod or workflow has its runtime token; API tokens are for people, pipelines and runners");
        var now = time.GetUtcNow();
        var expires = Lifetimes.ForApiToken(subjectExpires, now);
        if (expires - now < TimeSpan.FromSeconds(1)) return new Refusal(RefusalReason.LifetimeTooShort, "the subject token is about to expire");
        if (TokenLine.IsFull(principal.Origin)) return new Refusal(RefusalReason.NoMatchingPolicy, $"more than {TokenLine.MostOwn} API tokens were exchanged for one another");
        var tokenId = Mint.NewTokenId();
        var token = await mint.ApiTokenAsync(principal, tokenId, expires, cancellation);
        var response = new TokenResponse(
            token, OAuthNames.TokenTypeAccessToken, principal.Confirmation is null ? "Bearer" : "DPoP", Seconds(expires - now), scope);
        return new IssuedToken(response, principal, principal.Name, instance.Url, tokenId, expires);
    }

    private async ValueTask<Outcome<IssuedToken>> IdentityTokenAsync(
        TokenForm form, CalledIssuer issuer, Principal principal, Principal? actor, string audience, Trace? trace, CancellationToken cancellation)
    {
        // ③
        var allowed = await GrantForAsync(form.Subject, issuer, principal, audience, cancellation);
        if (allowed.IsRefused) return Refused(trace, allowed.Refusal);
        var grant = allowed.Value;
        if (form.Audiences.Count > 1 && !MayBeTogether(principal, form.Audiences))
            return Refused(trace, new Refusal(RefusalReason.AudienceNotAllowed, "one audience a token, unless a policy allows all of them together"));
        if (issuer.WorkspaceId is not null && issuer.WorkspaceId != grant.WorkspaceId)
            return Refused(trace, new Refusal(RefusalReason.AudienceNotAllowed, $"the issuer of workspace {grant.WorkspaceSlug} signs for this subject"));

        // ④
        TimeSpan? asked = null;
        if (form.ExpiresIn is { } text)
        {
            var parsed = Lifetimes.Parse(text);
            if (parsed.IsRefused) return parsed.Refusal;
            asked = parsed.Value;
        }

        var now = time.GetUtcNow();
        var expires = Lifetimes.ForIdentityToken(asked, grant.Lifetime, form.Audiences.FirstOrDefault(AzureCloud.IsAudience) ?? audience, principal.ExpiresAt, now);
        if (expires.IsRefused) return Refused(trace, expires.Refusal);
        if (await UseUpAsync(form, principal, actor, cancellation) is { } used) return Refused(trace, used);

        // ⑤
        var claims = new TokenClaims
        {
            Issuer = instance.WorkspaceIssuer(grant.WorkspaceSlug),
            Subject = grant.Subject,
            Audiences = form.Audiences,
            IssuedAt = now,
            ExpiresAt = expires.Value,
            TokenId = Mint.NewTokenId(),
        };
        grant.Describe(claims);
        Mint.Bind(claims, principal);
        var token = await mint.IdentityTokenAsync(grant.WorkspaceId, grant.Algorithm, claims, cancellation);
        grant.Minted?.Invoke();
        var type = form.RequestedTokenType ?? OAuthNames.TokenTypeIdToken;
        trace?.Pass(Stage.Policy, $"identity token for {audience} as {grant.Subject}");
        var response = new TokenResponse(token, type, "N_A", Seconds(expires.Value - now));
        return new IssuedToken(response, principal, grant.Subject, string.Join(' ', form.Audiences), claims.TokenId, expires.Value, grant.Template);
    }

    /// <summary>Each of them can pass the token on to the others: one policy must allow that.</summary>
    private static bool MayBeTogether(Principal principal, IReadOnlyList<string> audiences) =>
        audiences.Distinct(StringComparer.Ordinal).Count() == audiences.Count
        && principal.Facets.Any(facet => facet.Terms is { IsTogether: true } && audiences.All(audience => facet.Audiences.Contains(audience, StringComparer.Ordinal)));

    private async ValueTask<Outcome<IdentityGrant>> GrantForAsync(
        string? subjectName, CalledIssuer issuer, Principal principal, string audience, CancellationToken cancellation)
    {
        if (principal is { Kind: PrincipalKind.Run, SubjectId: { } run, Attempt: { } attempt })
            return await questions.RunIdentity(run, attempt, audience, subjectName, cancellation);
        if (principal.Kind is not (PrincipalKind.Policy or PrincipalKind.Machine)) return new Refusal(RefusalReason.AudienceNotAllowed, $"a {Mint.KindName(principal.Kind)} has no identity tokens");
        if (subjectName is not null) return new Refusal(RefusalReason.ScopeNotAllowed, "only a definition has subject templates to choose from");
        if (principal is { Kind: PrincipalKind.Machine, SubjectId: { } machine }) return await questions.MachineIdentity(machine, audience, cancellation);
        if (!principal.Audiences.Contains(audience, StringComparer.Ordinal))
            return new Refusal(RefusalReason.AudienceNotAllowed, $"no policy allows {principal.Name} the audience {audience}");
        if (issuer is not { WorkspaceId: { } workspaceId, WorkspaceSlug: { } slug })
            return new Refusal(RefusalReason.AudienceNotAllowed, "identity tokens for a policy's principal come from its workspace's token endpoint");
        return new IdentityGrant(workspaceId, slug, principal.Name, SignatureAlgorithm.RS256, null, claims => claims
            .Set(ClaimNames.Workspace, slug).Set(ClaimNames.WorkspaceId, workspaceId).Set(ClaimNames.Policies, principal.Policies).SetIfPresent(OwnClaims.TrustRecord, principal.TrustRecord));
    }

    /// <summary>Whether the principal may have an identity token for an audience, without minting one.</summary>
    public async ValueTask<Refusal?> ExplainAudienceAsync(Principal principal, string audience, CalledIssuer issuer, Trace trace, CancellationToken cancellation)
    {
        var allowed = await GrantForAsync(subjectName: null, issuer, principal, audience, cancellation);
        if (allowed.IsRefused) return Refused(trace, allowed.Refusal);
        trace.Pass(Stage.Policy, $"may have an identity token for {audience} as {allowed.Value.Subject}, signed by the issuer of {allowed.Value.WorkspaceSlug}");
        return null;
    }

    private static Refusal Refused(Trace? trace, Refusal refusal)
    {
        trace?.Refuse(refusal);
        return refusal;
    }

    private static Refusal Malformed(string detail) => new(RefusalReason.RequestMalformed, detail);

    private static long Seconds(TimeSpan span) => (long)span.TotalSeconds;
}
