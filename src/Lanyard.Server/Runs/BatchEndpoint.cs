using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Http;
using Lanyard.Server.Runners;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Runs;

/// <summary>The run protocol's accepts, starts and ends of several attempts in one call. For runners: a pod has one attempt.</summary>
internal static class BatchEndpoint
{
    /// <summary>Longer than any id, and short enough to be logged.</summary>
    private const int MaxName = 64;

    public static async Task<IResult> PostAsync(HttpContext context, RunnerDirectory directory, BatchAnswering batches)
    {
        if (!RunnerCalls.RunnerOf(context).TryGet(out var id, out var refusal))
            return new Refused(refusal);
        if (await directory.FindActiveAsync(id, null, context.RequestAborted) is null)
            return new Refused(Access.Missing($"runner {id} is gone"));
        if (!(await StrictJson.ReadAsync(context.Request, RunnerJson.Default.BatchRequest)).TryGet(out var request, out var refused))
            return refused;
        if (Check(request.Calls) is { } mistake)
            return Refused.Malformed([mistake]);
        return JsonAnswer.Of(new BatchResponse(await batches.AnswerAsync(context, request.Calls)), RunnerJson.Default.BatchResponse);
    }

    private static Mistake? Check(IReadOnlyList<BatchedCall> calls)
    {
        if (calls.Count is < 1 or > Batches.MostCalls)
            return new Mistake("calls", $"must be 1 to {Batches.MostCalls}");
        for (var i = 0; i < calls.Count; i++)
        {
            if (calls[i].Kind.Length > MaxName || calls[i].Run.Length > MaxName)
                return new Mistake($"calls[{i}]", $"its kind and run must be at most {MaxName} characters");
        }
        return null;
    }
}
