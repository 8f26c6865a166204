using System.Buffers;
using System.Text.Json;
using System.Text;
using Lanyard.ClusterProxy.Answers;
using Lanyard.ClusterProxy.Impersonation;
using Lanyard.Identity;
using Microsoft.AspNetCore.Http;

namespace Lanyard.ClusterProxy.ClientImpersonation;

/// <summary>What became of a client's own impersonation: the target's lines, or the answer that refuses it.</summary>
internal readonly record struct ImpersonationOutcome(ImpersonationHeaders? Target, KubernetesStatus? Denied, Refusal? Refusal);

/// <summary>
/// <c>kubectl --as</c>: every value is asked about as the API server would ask its own authorizer, for the user that the token became. All
/// questions of one request share one time budget. The original user goes along in extras, under the names that kube-oidc-proxy uses.
/// </summary>
internal sealed class ImpersonationReview(AccessReviews reviews, ClusterVersion version, TimeProvider time)
{
    public const string OriginalPrefix = "originaluser.jetstack.io-";
    private static readonly TimeSpan Budget = TimeSpan.FromSeconds(5);

    public async ValueTask<ImpersonationOutcome> JudgeAsync(IHeaderDictionary headers, ImpersonationHeaders subject, CancellationToken cancellation)
    {
        if (!ImpersonationWish.Read(headers).TryGet(out var wish, out var refusal))
        {
            return new(null, null, refusal);
        }

        if (wish.Extras.Any(e => e.Key.StartsWith(OriginalPrefix, StringComparison.Ordinal)))
        {
            return new(null, null, new Refusal(RefusalReason.Forbidden, "the client wants to say who the original user is"));
        }

        using var budget = new CancellationTokenSource(Budget, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(budget.Token, cancellation);
        try
        {
            return await AskAllAsync(wish, subject, both.Token) is { } no ? no : TargetOf(wish, Original(subject.User));
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return new(null, null, new Refusal(RefusalReason.Unavailable, $"access reviews took over {Budget.TotalSeconds} s"));
        }
    }

    /// <summary>
    /// The wish of a client whose own token goes on: the API server judges it. Two things it can't do: tell our audit whom the client wants to be, and refuse a UID that it does
    /// not know about.
    /// </summary>
    public async ValueTask<ImpersonationOutcome> ReadAsync(IHeaderDictionary headers, CancellationToken cancellation)
    {
        if (!ImpersonationWish.Read(headers).TryGet(out var wish, out var refusal))
        {
            return new(null, null, refusal);
        }

        return wish.Uid is not null && await version.RefusesUidAsync(cancellation) is { } tooOld ? new(null, null, tooOld) : TargetOf(wish, []);
    }

    private async ValueTask<ImpersonationOutcome?> AskAllAsync(ImpersonationWish wish, ImpersonationHeaders subject, CancellationToken cancellation)
    {
        if (wish.Uid is not null && await version.RefusesUidAsync(cancellation) is { } tooOld)
        {
            return new(null, null, tooOld);
        }

        foreach (var check in wish.Checks())
        {
            if (!(await reviews.AskAsync(subject, check, cancellation)).TryGet(out var review, out var refusal))
            {
                return new(null, null, refusal);
            }

            if (!review.IsAllowed)
            {
                return new(null, check.Forbidden(subject.User.Name, review.Reason), null);
            }
        }

        return null;
    }

    private static ImpersonationOutcome TargetOf(ImpersonationWish wish, IEnumerable<ExtraValue> original)
    {
        var target = new KubernetesUser(wish.User) { Uid = wish.Uid, Groups = wish.Groups, Extras = [.. wish.Extras, .. original] };
        return ImpersonationHeaders.Create(target).TryGet(out var headers, out _)
            ? new(headers, null, null)
            : new(null, null, new Refusal(RefusalReason.RequestMalformed, "a value to impersonate is empty, has control characters or blanks at its ends"));
    }

    private static IEnumerable<ExtraValue> Original(KubernetesUser user)
    {
        yield return new(OriginalPrefix + "user", user.Name);
        foreach (var group in user.Groups)
        {
            yield return new(OriginalPrefix + "groups", group);
        }

        if (user.Uid is not null)
        {
            yield return new(OriginalPrefix + "uid", user.Uid);
        }

        if (user.Extras.Count > 0)
        {
            yield return new(OriginalPrefix + "extra", ExtrasJson(user));
        }
    }

    private static string ExtrasJson(KubernetesUser user)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        foreach (var extra in user.Extras.GroupBy(e => e.Key, StringComparer.Ordinal))
        {
            json.WriteStartArray(extra.Key);
            foreach (var value in extra)
            {
                json.WriteStringValue(value.Value);
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
        json.Flush();
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
