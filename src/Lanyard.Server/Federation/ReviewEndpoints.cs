using Lanyard.Identity;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;

namespace Lanyard.Server.Federation;

/// <summary>
/// <c>POST /keys/reviews</c>: the connection that whoever pushes a private cluster's keys holds open, so that its API server can be asked (Kubernetes TokenReview).
/// The bearer is that of a push, and sees the tokens of its own cluster only.
/// </summary>
internal static class ReviewEndpoints
{
    private const int MaxBody = 64 * 1024;
    private const int MaxWait = 50;

    public static async Task<IResult> PollAsync(HttpContext context, KeyPushes pushes, ReviewPolls polls, IHostApplicationLifetime lifetime)
    {
        if (Bearer.Of(context.Request) is not { } bearer) return new Refused(new Refusal(RefusalReason.TokenMissing, "no bearer token"));
        if (!UnverifiedToken.Parse(bearer).TryGet(out var authorization, out var refusal)) return new Refused(refusal);
        if (!(await pushes.ReviewersAsync(authorization, context.TraceIdentifier, context.RequestAborted)).TryGet(out var records, out refusal)) return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, KeysJson.Default.ReviewPoll, MaxBody)).TryGet(out var poll, out var refused)) return refused;
        if (poll.WaitSeconds is < 0 or > MaxWait) return Refused.Malformed([new Mistake("waitSeconds", $"0 to {MaxWait}")]);

        await polls.TakeAsync(records, poll.Answers, context.RequestAborted);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, lifetime.ApplicationStopping);
        IReadOnlyList<ReviewQuestion> questions = [];
        try
        {
            questions = await polls.WaitAsync(records, TimeSpan.FromSeconds(poll.WaitSeconds), either.Token);
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            // This server stops; the next call finds another.
        }

        context.Response.Headers.CacheControl = "no-store";
        return Results.Json(new ReviewBatch(questions), KeysJson.Default.ReviewBatch);
    }
}
