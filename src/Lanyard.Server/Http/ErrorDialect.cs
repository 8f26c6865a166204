using Lanyard.Identity;
using Microsoft.AspNetCore.Http;

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

/// <summary>
/// Metadata of endpoints that speak a protocol of somebody else's: the feature that serves them brings the writer of errors, for refusals as for
/// what fails unforeseen.
/// </summary>
internal sealed record OwnDialect(Func<HttpContext, ErrorAnswer, Task> WriteAsync);

/// <param name="Reason">Null: something failed here.</param>
/// <param name="Text">Fixed and public.</param>
internal readonly record struct ErrorAnswer(int Status, RefusalReason? Reason, string Text);
