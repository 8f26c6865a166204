using Lanyard.Identity;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.OAuth;
using Lanyard.Server.Audit;
using Lanyard.Server.Federation;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Lanyard.Server.Exchange;

/// <summary>The edge of the token endpoints: form in, OAuth answer out, one audit event for each decision, nothing to be stored by anybody.</summary>
internal static class TokenEndpoints
{
    public static async Task<IResult> TokenAsync(
        HttpContext context, TokenExchange exchange, Possession possession, WorkspaceDirectory workspaces, Instance instance, AuditLog audit)
    {
        Forbid(context);
        if (Called(context, workspaces, instance) is not { } issuer) return new Refused(Access.Missing("no such issuer"));
        var form = await TokenForm.ReadAsync(context.Request);
        if (form.IsRefused) return new Refused(form.Refusal);

        Outcome<IssuedToken> outcome = (await possession.ProvenAsync(context, accessToken: null)).TryGet(out var proven, out var unproven)
            ? await exchange.GrantAsync(form.Value, issuer, proven.Thumbprint, trace: null, context.RequestAborted)
            : unproven;
        var happened = EventOf(context, form.Value, issuer, outcome);
        await audit.RecordAsync(audit.KeepsClaims ? happened with { ClaimsJson = ClaimsOf(form.Value.SubjectToken, outcome, instance) } : happened);
        return outcome.TryGet(out var issued, out var refusal)
            ? JsonAnswer.Of(issued.Response, OAuthJson.Default.TokenResponse)
            : new Refused(refusal, clientAuthentication: form.Value.GrantType == OAuthNames.GrantClientCredentials);
    }

    public static async Task<IResult> IntrospectAsync(
        HttpContext context, Introspection introspection, WorkspaceDirectory workspaces, Instance instance, AuditLog audit)
    {
        Forbid(context);
        if (Called(context, workspaces, instance) is not { } issuer) return new Refused(Access.Missing("no such issuer"));
        var form = await TokenForm.ReadAsync(context.Request);
        if (form.IsRefused) return new Refused(form.Refusal);
        var caller = await introspection.CallerAsync(context, form.Value, issuer);
        if (!caller.TryGet(out var principal, out var refusal))
        {
            await audit.RecordAsync(AuditEvent.Of(context, "token.introspect") with { Refusal = refusal, WorkspaceId = issuer.WorkspaceId });
            return new Refused(refusal, clientAuthentication: true);
        }

        if (form.Value.Token is null) return new Refused(new Refusal(RefusalReason.RequestMalformed, "token is missing"));
        return JsonAnswer.Of(await introspection.LookAsync(form.Value.Token, principal, issuer, context.RequestAborted), OAuthJson.Default.IntrospectionResponse);
    }

    /// <summary>Whoever holds a token may end it (RFC 7009 §2.1: the token itself is the proof); an unknown one is answered the same.</summary>
    public static async Task<IResult> RevokeAsync(
        HttpContext context, Introspection introspection, WorkspaceDirectory workspaces, Instance instance, TokenMemory memory)
    {
        Forbid(context);
        if (Called(context, workspaces, instance) is not { } issuer) return new Refused(Access.Missing("no such issuer"));
        var form = await TokenForm.ReadAsync(context.Request);
        if (form.IsRefused) return new Refused(form.Refusal);
        if (form.Value.Token is null) return new Refused(new Refusal(RefusalReason.RequestMalformed, "token is missing"));

        var token = await introspection.VerifyOursAsync(form.Value.Token, issuer, context.RequestAborted);
        if (token is { TokenId: { } id })
        {
            var about = AuditEvent.Of(context, "token.revoke") with { WorkspaceId = issuer.WorkspaceId, Target = id, TokenSha256 = token.Sha256.ToString() };
            await memory.RevokeAsync(id, token.ExpiresAt + TokenVerifier.MaxClockSkew, about, context.RequestAborted);
        }

        return Results.Ok();
    }

    /// <summary>The claims of a foreign token that was verified: it was accepted, or no policy wanted it.</summary>
    private static string? ClaimsOf(string? token, Outcome<IssuedToken> outcome, Instance instance)
    {
        if (token is null || (outcome.IsRefused && outcome.Refusal.Stage != Stage.Policy)) return null;
        var parsed = UnverifiedToken.Parse(token);
        return parsed.IsRefused || parsed.Value.Issuer == instance.Url ? null : System.Text.Encoding.UTF8.GetString(parsed.Value.Claims.Json.Span);
    }

    /// <summary>Null: a workspace that does not exist.</summary>
    private static CalledIssuer? Called(HttpContext context, WorkspaceDirectory workspaces, Instance instance)
    {
        if (context.GetRouteValue("workspace") is not string slug) return new CalledIssuer(instance.Url, null, null);
        return workspaces.Find(slug) is { } entry ? new CalledIssuer(instance.WorkspaceIssuer(slug), entry.Id, slug) : null;
    }

    private static AuditEvent EventOf(HttpContext context, TokenForm form, CalledIssuer issuer, Outcome<IssuedToken> outcome)
    {
        var kind = form.GrantType == OAuthNames.GrantTokenExchange ? "token.exchange" : "token.client";
        if (!outcome.TryGet(out var issued, out var refusal))
        {
            var presented = form.SubjectToken ?? form.ClientAssertion;
            return new AuditEvent(kind)
            {
                RequestId = context.TraceIdentifier,
                Refusal = refusal,
                WorkspaceId = issuer.WorkspaceId,
                TokenSha256 = presented is null ? null : TokenHash.Of(presented.AsSpan()).ToString(),
            };
        }

        return new AuditEvent(kind)
        {
            Principal = issued.Principal,
            RequestId = context.TraceIdentifier,
            WorkspaceId = issuer.WorkspaceId ?? issued.Principal.WorkspaceId,
            Target = issued.Principal.SubjectId,
            TokenSha256 = issued.Principal.TokenSha256,
            Trace = issued.Principal.Evidence,
            Details = DetailsOf(issued),
        };
    }

    private static Dictionary<string, string> DetailsOf(IssuedToken issued)
    {
        var details = new Dictionary<string, string>
        {
            ["audience"] = issued.Audience,
            ["subject"] = issued.Subject,
            ["jti"] = issued.TokenId,
            ["expires"] = issued.ExpiresAt.ToString("O", System.Globalization.CultureInfo.InvariantCulture),
        };
        if (issued.Template is { } template) details["template"] = template;
        return details;
    }

    private static void Forbid(HttpContext context)
    {
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.Pragma = "no-cache";
    }
}
