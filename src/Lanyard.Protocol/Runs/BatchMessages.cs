using System.Text.Json;
using Lanyard.Protocol.Resources;

namespace Lanyard.Protocol.Runs;

/// <summary>
/// <c>POST /v1/runner/calls</c>: accepts, starts and ends of several attempts of one runner in one call. Each is judged and answered as if it had come by
/// itself; those of one run in the order in which they stand here.
/// </summary>
/// <param name="Calls">1 to <see cref="Batches.MostCalls"/>.</param>
public sealed record BatchRequest(IReadOnlyList<BatchedCall> Calls);

/// <param name="Kind">One of <see cref="BatchedKinds"/>.</param>
/// <param name="Body">What the single call has: an <see cref="AcceptRequest"/>, <see cref="StartRequest"/> or <see cref="EndRequest"/>.</param>
public sealed record BatchedCall(string Kind, string Run, int Attempt, JsonElement Body);

/// <param name="Answers">As many as there were calls, in their order.</param>
public sealed record BatchResponse(IReadOnlyList<BatchedAnswer> Answers);

/// <summary>What the single call would have been answered; exactly one of payload, answer and problem is there.</summary>
/// <param name="Status">Also <see cref="Batches.AskSingly"/>.</param>
/// <param name="Payload">Of an accept.</param>
/// <param name="Answer">Of a start or an end.</param>
/// <param name="Problem">Of a refusal.</param>
/// <param name="RetryAfterSeconds">As the header would say.</param>
public sealed record BatchedAnswer(int Status, AttemptPayload? Payload = null, AttemptAnswer? Answer = null, Problem? Problem = null, int? RetryAfterSeconds = null);

public static class Batches
{
    public const int MostCalls = 50;

    /// <summary>Status of an accept whose payload is too large to come with others: nothing was changed, and it is to be asked by itself.</summary>
    public const int AskSingly = 413;
}

public static class BatchedKinds
{
    public const string Accept = "accept";
    public const string Start = "start";
    public const string End = "end";
}
