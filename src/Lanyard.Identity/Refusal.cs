namespace Lanyard.Identity;

/// <summary>Where in the chain that judges a token (docs/security-model.md) a refusal happened. The numbers are the steps' order.</summary>
public enum Stage
{
    Shape = 1,
    Content = 2,
    Issuer = 3,
    Algorithm = 4,
    Signature = 5,
    Time = 6,
    Audience = 7,
    Condition = 8,
    Policy = 9,
    Liveness = 10,

    /// <summary>Not about a token: the principal is known, and what it asked for is not allowed or does not exist.</summary>
    Authorization = 11,

    /// <summary>Not about a token: the request itself can't be read or can't be done in the present state.</summary>
    Request = 12,
}

/// <summary>The cause of an expected "no". Each belongs to one <see cref="Stage"/>; see <see cref="RefusalReasons.StageOf"/>.</summary>
public enum RefusalReason
{
    TokenMissing,
    TokenTooLarge,
    TokenMalformed,

    HeaderMalformed,
    PayloadMalformed,
    DuplicateMember,
    CriticalHeader,
    NestedTooDeep,
    ClaimMissing,
    ClaimMalformed,

    IssuerUnknown,
    IssuerUnreachable,

    /// <summary>A key set that can't be read, or whose answer came from the wrong place.</summary>
    KeySetMalformed,

    /// <summary>A key that is weak, odd, private, or not meant for signatures.</summary>
    KeyRefused,

    AlgorithmNotAllowed,
    AlgorithmMismatch,

    KeyUnknown,
    SignatureInvalid,

    Expired,
    NotYetValid,
    IssuedInFuture,
    LifetimeTooLong,
    LifetimeTooShort,

    AudienceMismatch,

    ConditionFailed,
    Replayed,

    /// <summary>The caller did not show that it holds the key that the token is, or must be, bound to.</summary>
    ProofInvalid,

    NoMatchingPolicy,

    /// <summary>The token is a runner's or pod's in several workspaces, and the caller names none of them.</summary>
    WorkspaceAmbiguous,
    AudienceNotAllowed,
    ScopeNotAllowed,

    Revoked,
    SubjectEnded,
    TokenTypeNotAllowed,

    NotFound,
    Forbidden,
    ContextNotVerified,

    RequestMalformed,
    GrantTypeNotSupported,
    RequestTooLarge,
    Conflict,
    PreconditionFailed,
    PreconditionRequired,
    StaleAttempt,
    AttemptOver,
    TooManyRequests,
    Unavailable,
}

/// <summary>
/// An expected "no" as a value: a cause, and a detail for log, audit and <c>lanyard explain</c> only.
/// A caller outside sees nothing but the reason's fixed public text.
/// </summary>
public sealed record Refusal(RefusalReason Reason, string Detail)
{
    public Stage Stage => RefusalReasons.StageOf(Reason);

    public override string ToString() => $"{Stage}/{Reason}: {Detail}";
}

public static class RefusalReasons
{
    public static Stage StageOf(RefusalReason reason) => reason switch
    {
        RefusalReason.TokenMissing or RefusalReason.TokenTooLarge or RefusalReason.TokenMalformed => Stage.Shape,
        RefusalReason.HeaderMalformed or RefusalReason.PayloadMalformed or RefusalReason.DuplicateMember or RefusalReason.CriticalHeader
            or RefusalReason.NestedTooDeep or RefusalReason.ClaimMissing or RefusalReason.ClaimMalformed => Stage.Content,
        RefusalReason.IssuerUnknown or RefusalReason.IssuerUnreachable or RefusalReason.KeySetMalformed or RefusalReason.KeyRefused => Stage.Issuer,
        RefusalReason.AlgorithmNotAllowed or RefusalReason.AlgorithmMismatch => Stage.Algorithm,
        RefusalReason.KeyUnknown or RefusalReason.SignatureInvalid => Stage.Signature,
        RefusalReason.Expired or RefusalReason.NotYetValid or RefusalReason.IssuedInFuture or RefusalReason.LifetimeTooLong
            or RefusalReason.LifetimeTooShort => Stage.Time,
        RefusalReason.AudienceMismatch => Stage.Audience,
        RefusalReason.ConditionFailed or RefusalReason.Replayed or RefusalReason.ProofInvalid => Stage.Condition,
        RefusalReason.NoMatchingPolicy or RefusalReason.WorkspaceAmbiguous or RefusalReason.AudienceNotAllowed or RefusalReason.ScopeNotAllowed => Stage.Policy,
        RefusalReason.Revoked or RefusalReason.SubjectEnded or RefusalReason.TokenTypeNotAllowed => Stage.Liveness,
        RefusalReason.NotFound or RefusalReason.Forbidden or RefusalReason.ContextNotVerified => Stage.Authorization,
        RefusalReason.RequestMalformed or RefusalReason.GrantTypeNotSupported or RefusalReason.RequestTooLarge or RefusalReason.Conflict or RefusalReason.PreconditionFailed
            or RefusalReason.PreconditionRequired or RefusalReason.AttemptOver
            or RefusalReason.StaleAttempt or RefusalReason.TooManyRequests or RefusalReason.Unavailable => Stage.Request,
        _ => throw new ArgumentOutOfRangeException(nameof(reason), reason, null),
    };
}
