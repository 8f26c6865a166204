using Lanyard.Identity;

namespace Lanyard.Server.Http;

/// <summary>
/// What the world hears of a refusal: one fixed text and one status a reason. The detail stays in log, trace and audit.
/// </summary>
internal static class RefusalText
{
    /// <summary>The fixed public text of a reason.</summary>
    public static string Of(RefusalReason reason) => reason switch
    {
        RefusalReason.TokenMissing => "A bearer token is required.",
        RefusalReason.TokenTooLarge => "The token is too large.",
        RefusalReason.TokenMalformed => "The token is not a well-formed JWT.",
        RefusalReason.HeaderMalformed => "The token's header can't be read.",
        RefusalReason.PayloadMalformed => "The token's payload can't be read.",
        RefusalReason.DuplicateMember => "The token has a member twice.",
        RefusalReason.CriticalHeader => "The token demands an extension that is not supported.",
        RefusalReason.NestedTooDeep => "The token is nested too deep.",
        RefusalReason.ClaimMissing => "A claim that is required is missing.",
        RefusalReason.ClaimMalformed => "A claim has the wrong type or form.",
        RefusalReason.IssuerUnknown => "The token's issuer is not trusted here.",
        RefusalReason.IssuerUnreachable => "The keys of the token's issuer can't be had at the moment.",
        RefusalReason.KeySetMalformed => "The keys of the token's issuer can't be read.",
        RefusalReason.KeyRefused => "A key of the token's issuer is not acceptable.",
        RefusalReason.AlgorithmNotAllowed => "The token's algorithm is not allowed.",
        RefusalReason.AlgorithmMismatch => "The token's algorithm is not that of its key.",
        RefusalReason.KeyUnknown => "The token's key is not known.",
        RefusalReason.SignatureInvalid => "The token's signature is not valid.",
        RefusalReason.Expired => "The token has expired.",
        RefusalReason.NotYetValid => "The token is not valid yet.",
        RefusalReason.IssuedInFuture => "The token was issued in the future.",
        RefusalReason.LifetimeTooLong => "The token lives longer than is allowed.",
        RefusalReason.LifetimeTooShort => "Too little is left of the token's life.",
        RefusalReason.AudienceMismatch => "The token is not meant for this audience.",
        RefusalReason.ConditionFailed => "The token does not meet a condition.",
        RefusalReason.Replayed => "The token was used before.",
        RefusalReason.ProofInvalid => "The proof of possession is missing or not valid.",
        RefusalReason.NoMatchingPolicy => "No trust policy matches the token.",
        RefusalReason.WorkspaceAmbiguous => "Several workspaces know the caller: it must say which one it means.",
        RefusalReason.AudienceNotAllowed => "The audience asked for is not allowed.",
        RefusalReason.ScopeNotAllowed => "The scope asked for is not allowed.",
        RefusalReason.Revoked => "The token was revoked.",
        RefusalReason.SubjectEnded => "What the token stands for has ended.",
        RefusalReason.TokenTypeNotAllowed => "A token of this type is not taken here.",
        RefusalReason.NotFound => "There is no such thing here.",
        RefusalReason.Forbidden => "The caller's role does not allow this.",
        RefusalReason.ContextNotVerified => "The caller's token does not say this repository, ref or environment.",
        RefusalReason.RequestMalformed => "The request is malformed.",
        RefusalReason.GrantTypeNotSupported => "This grant type is not supported.",
        RefusalReason.RequestTooLarge => "The request is too large.",
        RefusalReason.Conflict => "The present state does not allow this.",
        RefusalReason.PreconditionFailed => "The resource was changed meanwhile.",
        RefusalReason.PreconditionRequired => "Changing what exists needs If-Match with its ETag.",
        RefusalReason.StaleAttempt => "The attempt is not the caller's any more.",
        RefusalReason.AttemptOver => "The attempt is over.",
        RefusalReason.TooManyRequests => "Too many requests.",
        RefusalReason.Unavailable => "This can't be done at the moment.",
        _ => throw new ArgumentOutOfRangeException(nameof(reason), reason, null),
    };

    /// <summary>HTTP status of a reason in the problem and Kubernetes dialects.</summary>
    public static int StatusOf(RefusalReason reason) => reason switch
    {
        RefusalReason.IssuerUnreachable or RefusalReason.Unavailable => 503,
        RefusalReason.AudienceNotAllowed or RefusalReason.ScopeNotAllowed or RefusalReason.Forbidden or RefusalReason.ContextNotVerified => 403,
        RefusalReason.NotFound => 404,
        RefusalReason.RequestMalformed or RefusalReason.GrantTypeNotSupported => 400,
        RefusalReason.RequestTooLarge => 413,
        RefusalReason.Conflict or RefusalReason.StaleAttempt => 409,
        RefusalReason.AttemptOver => 410,
        RefusalReason.PreconditionFailed => 412,
        RefusalReason.PreconditionRequired => 428,
        RefusalReason.TooManyRequests => 429,
        _ when RefusalReasons.StageOf(reason) <= Stage.Liveness => 401,
        _ => throw new ArgumentOutOfRangeException(nameof(reason), reason, null),
    };

    /// <summary>Seconds after which a call with this status may go better; null: it will not by itself.</summary>
    public static int? RetryAfterOf(int status) => status is 429 or 503 ? 2 : null;

    /// <summary>
    /// RFC 6749 §5.2. A subject token that is invalid or unacceptable is <c>invalid_request</c> (RFC 8693 §2.2.2); a client's own assertion
    /// <c>invalid_client</c>; an audience <c>invalid_target</c>.
    /// </summary>
    public static (string Error, int Status) OAuthOf(RefusalReason reason, bool clientAuthentication) => reason switch
    {
        RefusalReason.AudienceNotAllowed => ("invalid_target", 400),
        RefusalReason.ScopeNotAllowed => ("invalid_scope", 400),
        RefusalReason.ProofInvalid => ("invalid_dpop_proof", 400),
        RefusalReason.Forbidden or RefusalReason.ContextNotVerified or RefusalReason.NotFound => ("unauthorized_client", 400),
        RefusalReason.RequestMalformed or RefusalReason.Conflict or RefusalReason.PreconditionFailed or RefusalReason.PreconditionRequired
            or RefusalReason.StaleAttempt or RefusalReason.AttemptOver => ("invalid_request", 400),
        RefusalReason.GrantTypeNotSupported => ("unsupported_grant_type", 400),
        RefusalReason.RequestTooLarge => ("invalid_request", 413),
        RefusalReason.TooManyRequests => ("temporarily_unavailable", 429),
        RefusalReason.IssuerUnreachable or RefusalReason.Unavailable => ("temporarily_unavailable", 503),
        _ when RefusalReasons.StageOf(reason) <= Stage.Liveness => clientAuthentication ? ("invalid_client", 401) : ("invalid_request", 400),
        _ => throw new ArgumentOutOfRangeException(nameof(reason), reason, null),
    };

    /// <summary><c>reason</c> of a <c>metav1.Status</c>.</summary>
    public static string KubernetesOf(RefusalReason reason) => StatusOf(reason) switch
    {
        400 or 428 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        409 or 412 => "Conflict",
        410 => "Gone",
        413 => "RequestEntityTooLarge",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        var status => throw new ArgumentOutOfRangeException(nameof(reason), status, null),
    };

    /// <summary><c>not-found</c> for <see cref="RefusalReason.NotFound"/>: the stable name of a reason in problem types, logs and audit.</summary>
    public static string NameOf(RefusalReason reason)
    {
        var name = reason.ToString();
        var text = new System.Text.StringBuilder(name.Length + 4);
        foreach (var character in name)
        {
            if (char.IsAsciiLetterUpper(character) && text.Length > 0)
            {
                text.Append('-');
            }

            text.Append(char.ToLowerInvariant(character));
        }

        return text.ToString();
    }
}
