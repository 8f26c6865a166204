using System.Collections.Concurrent;
using Lanyard.Protocol.Runs;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Lanyard.Testing.Runs;

/// <summary>A <see cref="FakeControlPlane"/>'s calls about one attempt: each is noted in it, and answered.</summary>
internal sealed class FakeAttemptCalls
{
    /// <summary>By run and number.</summary>
    public ConcurrentDictionary<string, FakeAttempt> Attempts { get; } = new();

    private FakeAttempt AttemptOf(HttpContext context) => Attempts[$"{context.GetRouteValue("run")}/{context.GetRouteValue("attempt")}"];

    public async Task AcceptAsync(HttpContext context)
    {
        var attempt = AttemptOf(context);
        attempt.Accepts++;
        attempt.State = AttemptStates.Accepted;
        await FakeJson.AnswerAsync(context, attempt.Payload, RunnerJson.Default.AttemptPayload);
    }

    public async Task StartAsync(HttpContext context)
    {
        var attempt = AttemptOf(context);
        attempt.Starts++;
        attempt.State = AttemptStates.Running;
        await FakeJson.AnswerAsync(context, new AttemptAnswer(attempt.State), RunnerJson.Default.AttemptAnswer);
    }

    public async Task StepAsync(HttpContext context)
    {
        var attempt = AttemptOf(context);
        attempt.Report(int.Parse((string)context.GetRouteValue("index")!, null), await FakeJson.ReadAsync(context, RunnerJson.Default.StepReport));
        await FakeJson.AnswerAsync(context, new AttemptAnswer(attempt.State), RunnerJson.Default.AttemptAnswer);
    }

    public async Task LogAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        var attempt = AttemptOf(context);
        var next = attempt.Append(long.Parse(context.Request.Query["offset"].ToString(), null), body.ToArray());
        var status = next is null ? StatusCodes.Status416RangeNotSatisfiable : StatusCodes.Status200OK;
        await FakeJson.AnswerAsync(context, new LogAppended(next ?? attempt.LogLength), RunnerJson.Default.LogAppended, status);
    }

    public async Task EndAsync(HttpContext context)
    {
        var attempt = AttemptOf(context);
        attempt.End(await FakeJson.ReadAsync(context, RunnerJson.Default.EndRequest));
        await FakeJson.AnswerAsync(context, new AttemptAnswer(attempt.State), RunnerJson.Default.AttemptAnswer);
    }
}
