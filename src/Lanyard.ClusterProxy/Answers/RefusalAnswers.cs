using Lanyard.ClusterProxy.Upstream;
using Lanyard.Identity;

namespace Lanyard.ClusterProxy.Answers;

/// <summary>
/// The one place where an inner "no" gets its outer form. The caller of a refused token learns nothing but 401; what was wrong with it is
/// in the log.
/// </summary>
internal static class RefusalAnswers
{
    public static KubernetesStatus For(Refusal refusal) => refusal.Stage switch
    {
        Stage.Authorization or Stage.Policy => new(403, "Forbidden", "forbidden: this identity is not accepted by the cluster proxy"),
        Stage.Request => ForRequest(refusal.Reason),
        _ => KubernetesStatus.Unauthorized,
    };

    public static KubernetesStatus For(UpstreamFault fault) => fault == UpstreamFault.Unreachable
        ? new(503, "ServiceUnavailable", "the API server behind the cluster proxy is not reachable") { RetryAfter = 1 }
        : new(502, "BadGateway", "the API server behind the cluster proxy gave no usable answer");

    /// <summary>The API server refused the proxy's own credential: not the caller's fault, and not 401, which would send it for a new token.</summary>
    public static KubernetesStatus OwnCredentialRefused { get; } =
        new(502, "BadGateway", "the API server does not accept the cluster proxy's own credential");

    /// <summary>Nobody hears it: it is what stands on record of a request whose client went away, or was cut off by a stop, before there was an answer.</summary>
    public static KubernetesStatus ClientGone { get; } = new(499, "ClientClosedRequest", "the client's connection ended before there was an answer");

    /// <summary>A defect of the proxy itself.</summary>
    public static KubernetesStatus Failed { get; } = new(500, "InternalError", "the cluster proxy failed at this request");

    /// <summary>A body that could not be read to its end; the code is the server's (413, 408, 400).</summary>
    public static KubernetesStatus ForBody(int code) => code switch
    {
        413 => new(413, "RequestEntityTooLarge", "the request's body is too large"),
        408 => new(408, "Timeout", "the request's body came too slowly"),
        _ => new(400, "BadRequest", "the request's body is malformed"),
    };

    private static KubernetesStatus ForRequest(RefusalReason reason) => reason switch
    {
        RefusalReason.RequestTooLarge => new(431, "RequestHeaderFieldsTooLarge", "the request's headers are too large"),
        RefusalReason.TooManyRequests => new(429, "TooManyRequests", "too many requests, please try again later") { RetryAfter = 1 },
        RefusalReason.Unavailable => new(503, "ServiceUnavailable", "the cluster proxy cannot decide at present") { RetryAfter = 1 },
        _ => new(400, "BadRequest", "the request is malformed or not allowed through the cluster proxy"),
    };
}
