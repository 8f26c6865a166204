namespace Lanyard.Server.Http;

/// <summary>
/// In which form an endpoint tells its errors; put on a route group with <c>WithMetadata</c>. Without it: <see cref="Problem"/>.
/// </summary>
internal enum ErrorDialect
{
    /// <summary>RFC 9457, <c>application/problem+json</c>.</summary>
    Problem,

    /// <summary>RFC 6749 §5.2, never stored.</summary>
    OAuth,

    /// <summary><c>metav1.Status</c>.</summary>
    Kubernetes,
}
