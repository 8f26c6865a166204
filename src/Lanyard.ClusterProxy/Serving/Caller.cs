using Lanyard.ClusterProxy.Authentication;
using Lanyard.ClusterProxy.Forwarding;
using Lanyard.ClusterProxy.Impersonation;
using Lanyard.Identity;

namespace Lanyard.ClusterProxy.Serving;

/// <summary>Judges a token down to the lines that impersonate its user.</summary>
internal delegate ValueTask<Outcome<ImpersonationHeaders>> Authenticate(BearerToken bearer, CancellationToken cancellation);

/// <summary>Who called, and as whom the request goes on.</summary>
/// <param name="Impersonated">Null when the API server judges the caller's own token.</param>
internal readonly record struct Caller(KubernetesUser User, ImpersonationHeaders? Impersonated, UpstreamIdentity Identity);

/// <summary>From a bearer token to its caller: our own chain first, then, where the operator wants it, the API server's word.</summary>
internal sealed class CallerIdentification(Authenticate authenticate, TokenReviews? reviews)
{
    public async ValueTask<Outcome<Caller>> IdentifyAsync(BearerToken bearer, CancellationToken cancellation)
    {
        if ((await authenticate(bearer, cancellation)).TryGet(out var headers, out var refusal))
        {
            return new Caller(headers.User, headers, UpstreamIdentity.Of(headers));
        }

        if (reviews is null || !TokenReviews.IsFor(refusal))
        {
            return refusal;
        }

        var token = bearer.Text;
        return (await reviews.AskAsync(token, cancellation)).TryGet(out var user, out var second)
            ? new Caller(user, null, UpstreamIdentity.WithToken(token))
            : second.Reason == RefusalReason.Unavailable ? second : refusal with { Detail = $"{refusal.Detail}; {second.Detail}" };
    }
}
