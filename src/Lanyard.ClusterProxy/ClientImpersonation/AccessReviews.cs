using System.Collections.Concurrent;
using System.Text.Json;
using Lanyard.ClusterProxy.Forwarding;
using Lanyard.ClusterProxy.Impersonation;
using Lanyard.ClusterProxy.Upstream;
using Lanyard.Identity;

namespace Lanyard.ClusterProxy.ClientImpersonation;

/// <summary>What the cluster's authorizer said.</summary>
/// <param name="Reason">As the API server would append it to its own refusal; often empty.</param>
internal sealed record AccessReview(bool IsAllowed, string Reason);

/// <summary>
/// Asks the cluster, as the proxy itself, whether somebody may impersonate something. Answers are kept for 10 s. When the cluster can't be
/// asked the answer is a refusal, never a yes.
/// </summary>
internal sealed class AccessReviews(OwnCalls calls, TimeProvider time)
{
    private const int MaxRemembered = 8192;
    private const string Path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

    private static readonly TimeSpan Life = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<(ImpersonationHeaders Subject, ImpersonateCheck Check), (AccessReview Review, long At)> _remembered = new();

    public async ValueTask<Outcome<AccessReview>> AskAsync(ImpersonationHeaders subject, ImpersonateCheck check, CancellationToken cancellation)
    {
        if (_remembered.TryGetValue((subject, check), out var known) && time.GetElapsedTime(known.At) < Life)
        {
            return known.Review;
        }

        var outcome = await ReviewAsync(check.Review(subject.User), cancellation);
        if (outcome.TryGet(out var review, out _))
        {
            if (_remembered.Count >= MaxRemembered)
            {
                _remembered.Clear();
            }

            _remembered[(subject, check)] = (review, time.GetTimestamp());
        }

        return outcome;
    }

    private async ValueTask<Outcome<AccessReview>> ReviewAsync(byte[] body, CancellationToken cancellation)
    {
        try
        {
            var (status, answer) = await calls.SendAsync("POST", Path, body, cancellation);
            return status == 201 ? Read(answer) : new Refusal(RefusalReason.Unavailable, $"the access review answered {status}");
        }
        catch (UpstreamException e)
        {
            return new Refusal(RefusalReason.Unavailable, $"the access review failed: {e.Message}");
        }
    }

    private static Outcome<AccessReview> Read(ReadOnlyMemory<byte> answer)
    {
        try
        {
            using var document = JsonDocument.Parse(answer);
            var status = document.RootElement.GetProperty("status");
            var denied = status.TryGetProperty("denied", out var no) && no.GetBoolean();
            return new AccessReview(status.GetProperty("allowed").GetBoolean() && !denied, status.TryGetProperty("reason", out var reason) ? reason.GetString() ?? "" : "");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            return new Refusal(RefusalReason.Unavailable, "the access review's answer is unreadable");
        }
    }
}
