using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Lanyard.Server.Runs.Opentofu;

/// <summary>
/// The run protocol's calls about plan and state: what the HTTP backend of OpenTofu and Terraform says to the runner's loopback endpoint, handed on. Fenced like every call about an attempt: who has
/// lost it writes nothing; in <c>canceling</c> the state is still saved.
/// </summary>
internal sealed class StateEndpoints(AttemptCalls calls, RunStore runs, PlanStore plans, StateStore states, RunRules rules)
{
    internal const int MaxBytes = 32 << 20;
    private const int MaxLockBytes = 16 * 1024;

    private PlanStore Plans { get; } = plans;

    private StateStore States { get; } = states;

    private RunRules Rules { get; } = rules;

    public static Task<IResult> GetPlanAsync(string run, string attempt, HttpContext context, StateEndpoints state) => state.WithAsync(run, attempt, context, async (at, cancellation) =>
        at.Row.Phase == RunRules.ApplyPhase && await state.Plans.FindAsync(run, cancellation) is { } plan
            ? Results.Bytes(plan, "application/octet-stream")
            : new Refused(Access.Missing($"{run} has no plan to apply")));

    public static Task<IResult> PutPlanAsync(string run, string attempt, HttpContext context, StateEndpoints state) => state.WithAsync(run, attempt, context, async (at, cancellation) =>
    {
        if (at.Row.Phase != RunRules.PlanPhase)
            return new Refused(new Refusal(RefusalReason.Conflict, $"{run} is in {at.Row.Phase}"));
        if (await ReadAsync(context, MaxBytes) is not { } plan)
            return new Refused(new Refusal(RefusalReason.RequestTooLarge, $"a plan has at most {MaxBytes} bytes"));
        return await state.Plans.PutAsync(run, at.Row.Attempt, plan.WrittenMemory, state.Rules.Now, EventOf(context, "plan.put", at), cancellation)
            ? Results.NoContent()
            : new Refused(new Refusal(RefusalReason.StaleAttempt, $"attempt {at.Row.Attempt} of {run} plans no more"));
    });

    public static Task<IResult> GetAsync(string run, string attempt, HttpContext context, StateEndpoints state) => state.WithAsync(run, attempt, context, async (at, cancellation) =>
        await state.States.FindAsync(at.Row.Collection, at.State, cancellation) is { } found ? Results.Bytes(found, "application/json") : Results.NoContent());

    public static Task<IResult> PutAsync(string run, string attempt, HttpContext context, StateEndpoints state) => state.WithAsync(run, attempt, context, async (at, cancellation) =>
    {
        // Before anybody has approved: what plans may run a stranger's code, and the tool itself writes nothing then.
        if (at.Row.Phase == RunRules.PlanPhase)
            return new Refused(new Refusal(RefusalReason.Conflict, $"{run} plans, which changes no state"));
        if (await ReadAsync(context, MaxBytes) is not { } body)
            return new Refused(new Refusal(RefusalReason.RequestTooLarge, $"a state has at most {MaxBytes} bytes"));
        var lockId = context.Request.Query["ID"].ToString();
        var put = await state.States.PutAsync(
            at.Row.Collection, at.State, (run, at.Row.Attempt), lockId, body.WrittenMemory, state.Rules.Now, EventOf(context, "state.put", at), cancellation);
        return put.TryGet(out _, out var refusal) ? Results.NoContent() : new Refused(refusal);
    });

    public static Task<IResult> LockAsync(string run, string attempt, HttpContext context, StateEndpoints state) => state.WithAsync(run, attempt, context, async (at, cancellation) =>
    {
        if (await LockOfAsync(context) is not { } asked)
            return new Refused(new Refusal(RefusalReason.RequestMalformed, "a lock is a JSON object with an ID"));
        var wanted = new StateLock(asked.Id, asked.Info, run, at.Row.Attempt, at.Row.Phase, state.Rules.Now);
        return await state.States.LockAsync(at.Row.Collection, at.State, wanted, EventOf(context, "state.lock", at), cancellation) is { } other
            ? Results.Text(other.Info, "application/json", statusCode: StatusCodes.Status423Locked)
            : Results.NoContent();
    });

    public static Task<IResult> UnlockAsync(string run, string attempt, HttpContext context, StateEndpoints state) => state.WithAsync(run, attempt, context, async (at, cancellation) =>
        await LockOfAsync(context) is { } held
            && await state.States.GiveBackAsync(at.Row.Collection, at.State, held.Id, (run, at.Row.Attempt), EventOf(context, "state.unlock", at), cancellation)
            ? Results.NoContent()
            : new Refused(new Refusal(RefusalReason.Conflict, $"attempt {at.Row.Attempt} of {run} has no such lock of {at.State}")));

    private async Task<IResult> WithAsync(string run, string attempt, HttpContext context, Func<Place, CancellationToken, Task<IResult>> answer)
    {
        var cancellation = context.RequestAborted;
        if (!RunnerCalls.CallOf(context, run, attempt, context.Request.Headers[RunnerCalls.SessionHeader].ToString()).TryGet(out var call, out var refusal)
            || !(await calls.HoldAsync(run, call, cancellation)).TryGet(out _, out refusal))
            return new Refused(refusal);
        if (await runs.FindAsync(run, cancellation) is not { } row || !call.IsOf(row)
            || await runs.FindDocumentAsync(run, cancellation) is not { } json || RunDocument.Parse(json).StateName is not { } state)
            return new Refused(Access.Missing($"{run} plans nothing"));
        return await answer(new Place(row, state), cancellation);
    }

    private static AuditEvent EventOf(HttpContext context, string action, Place at) => AuditEvent.Of(context, action) with
    {
        WorkspaceId = at.Row.Workspace,
        CollectionId = at.Row.Collection,
        Target = $"{at.Row.Collection}/{at.State}",
        Details = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["run"] = at.Row.Id, ["attempt"] = at.Row.Attempt.ToString(CultureInfo.InvariantCulture), ["phase"] = at.Row.Phase,
        },
    };

    private static async Task<(string Id, string Info)?> LockOfAsync(HttpContext context)
    {
        if (await ReadAsync(context, MaxLockBytes) is not { } body)
            return null;
        try
        {
            using var document = JsonDocument.Parse(body.WrittenMemory);
            return document.RootElement is { ValueKind: JsonValueKind.Object } root && root.TryGetProperty("ID", out var id) && id.ValueKind == JsonValueKind.String
                && id.GetString() is { Length: > 0 and <= 200 } text && !text.Any(char.IsControl)
                    ? (text, Encoding.UTF8.GetString(body.WrittenSpan))
                    : null;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return null; // the second: a text that is no Unicode
        }
    }

    /// <summary>Null when the body is longer.</summary>
    internal static async Task<ArrayBufferWriter<byte>?> ReadAsync(HttpContext context, int most)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
            limit.MaxRequestBodySize = most + 1;
        if (context.Request.ContentLength > most)
            return null;
        var body = new ArrayBufferWriter<byte>(4096);
        while (true)
        {
            var part = await context.Request.BodyReader.ReadAsync(context.RequestAborted);
            foreach (var segment in part.Buffer)
                body.Write(segment.Span);
            context.Request.BodyReader.AdvanceTo(part.Buffer.End);
            if (body.WrittenCount > most)
                return null;
            if (part.IsCompleted)
                return body;
        }
    }

    private sealed record Place(RunRecord Row, string State);
}
