using System.Globalization;
using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Collections;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Extensions;

namespace Lanyard.Server.Runs;

/// <summary>Runs as people and pipelines see them.</summary>
internal static class RunsEndpoints
{
    private const int MaxIdempotencyKey = 200;

    public static async Task<IResult> CreateAsync(
        string workspace, string collection, HttpContext context, CollectionDirectory directory, RunCreation creation, RunQueries queries, RunViews views, RunAudit audit)
    {
        if (!(await RequireAsync(directory, context, workspace, collection, Right.Operate)).TryGet(out var entry, out var refusal))
            return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, RunsJson.Default.CreateRun)).TryGet(out var request, out var refused))
            return refused;
        var mistakes = CreateRunRules.Check(request);
        var key = IdempotencyKey(context.Request, mistakes);
        if (mistakes.Count > 0)
            return Refused.Malformed(mistakes);

        if (!RunContextRules.Decide(Access.PrincipalOf(context)!, entry, request).TryGet(out var facts, out refusal))
        {
            await audit.NotCreatedAsync(context, entry.Workspace.Id, entry.Id, refusal);
            return new Refused(refusal);
        }

        var cancellation = context.RequestAborted;
        var created = await creation.CreateAsync(
            entry, request, facts, key, id => RunAudit.Created(context, entry.Workspace.Id, entry.Id, id), mistakes, cancellation);
        if (mistakes.Count > 0)
            return Refused.Malformed(mistakes);
        if (!created.TryGet(out var run, out refusal))
            return Refused.Told(refusal);
        context.Response.Headers.Location = $"/v1/workspaces/{workspace}/collections/{collection}/runs/{run.Id}";
        return run.New is { } made
            ? Results.Json(RunViews.OfNew(made, workspace, collection), RunsJson.Default.RunView, statusCode: 201)
            : Results.Json(
                await views.WholeAsync((await queries.FindAsync(entry.Id, run.Id, cancellation))!, workspace, collection, cancellation), RunsJson.Default.RunView);
    }

    public static async Task<IResult> ListAsync(string workspace, string collection, HttpContext context, CollectionDirectory directory, RunQueries queries)
    {
        if (!(await RequireAsync(directory, context, workspace, collection, Right.Read)).TryGet(out var entry, out var refusal)
            || !Paging.Read(context.Request).TryGet(out var paging, out refusal)
            || !State(context.Request).TryGet(out var state, out refusal))
            return new Refused(refusal);
        var before = paging.After.Length == 0 ? null : paging.After;
        var rows = await queries.ListAsync(entry.Id, state.Length == 0 ? null : state, before, paging.Limit + 1, context.RequestAborted);
        var (items, next) = paging.Cut(rows, static row => row.Run.Id);
        return Results.Json(new RunList([.. items.Select(row => RunViews.OfListed(row, workspace, collection))], next), RunsJson.Default.RunList);
    }

    public static async Task<IResult> GetAsync(
        string workspace, string collection, string run, HttpContext context, CollectionDirectory directory, RunQueries queries, RunViews views)
    {
        if (!(await FindAsync(directory, queries, context, workspace, collection, run, Right.Read)).TryGet(out var listed, out var refusal))
            return new Refused(refusal);
        return Results.Json(await views.WholeAsync(listed, workspace, collection, context.RequestAborted), RunsJson.Default.RunView);
    }

    /// <summary>Asks for the end; asking again, or after the end, changes nothing and is no mistake.</summary>
    public static async Task<IResult> CancelAsync(
        string workspace,
        string collection,
        string run,
        HttpContext context,
        CollectionDirectory directory,
        RunQueries queries,
        RunChanges changes,
        RunRules rules,
        RunViews views)
    {
        var cancellation = context.RequestAborted;
        if (!(await FindAsync(directory, queries, context, workspace, collection, run, Right.Operate)).TryGet(out var listed, out var refusal)
            || !(await changes.ApplyAsync(run, row => rules.Cancel(row), done => RunAudit.Changed(context, "run.cancel", done), cancellation)).TryGet(out var change, out refusal))
            return new Refused(refusal);
        return Results.Json(await views.WholeAsync(listed with { Run = change.After }, workspace, collection, cancellation), RunsJson.Default.RunView);
    }

    /// <summary>
    /// <c>?offset=</c> bytes are skipped, <c>?attempt=</c> names another than the last attempt that has a log, <c>?follow=true</c> waits for bytes.
    /// </summary>
    public static async Task<IResult> LogsAsync(
        string workspace, string collection, string run, HttpContext context, CollectionDirectory directory, RunQueries queries, LogReading reading)
    {
        if (!(await FindAsync(directory, queries, context, workspace, collection, run, Right.Read)).TryGet(out var listed, out var refusal)
            || !Number(context.Request, "offset", 0, long.MaxValue).TryGet(out var offset, out refusal)
            || !Number(context.Request, "attempt", 0, int.MaxValue).TryGet(out var attempt, out refusal))
            return new Refused(refusal);
        var follow = context.Request.Query["follow"] == "true";
        var log = await reading.OpenAsync(listed.Run, (int)attempt, offset, follow, context.RequestAborted);
        var headers = context.Response.Headers;
        headers["Lanyard-Log-Attempt"] = log.Attempt.ToString(CultureInfo.InvariantCulture);
        headers["Lanyard-Log-Over"] = log.IsOver ? "true" : "false";
        headers.CacheControl = "no-store";
        if (log.Bytes is null)
            return Results.NoContent();
        await using var bytes = log.Bytes;
        headers.ContentType = "application/octet-stream";
        headers.ContentLength = log.Length;
        await StreamCopyOperation.CopyToAsync(bytes, context.Response.Body, log.Length, context.RequestAborted);
        return Results.Empty;
    }

    private static ValueTask<Outcome<CollectionEntry>> RequireAsync(
        CollectionDirectory directory, HttpContext context, string workspace, string collection, Right right) =>
        directory.RequireAsync(Access.PrincipalOf(context), workspace, collection, right);

    internal static async Task<Outcome<ListedRun>> FindAsync(
        CollectionDirectory directory, RunQueries queries, HttpContext context, string workspace, string collection, string run, Right right)
    {
        if (!(await RequireAsync(directory, context, workspace, collection, right)).TryGet(out var entry, out var refusal))
            return refusal;
        return Ids.TryParse(run, "run", out _) && await queries.FindAsync(entry.Id, run, context.RequestAborted) is { } listed
            ? listed
            : Access.Missing($"no run {run} in {entry.Path}");
    }

    private static string? IdempotencyKey(HttpRequest request, List<Mistake> mistakes)
    {
        var values = request.Headers["Idempotency-Key"];
        if (values.Count == 0)
            return null;
        if (values.Count > 1 || values[0] is not { Length: > 0 and <= MaxIdempotencyKey } key || key.Any(c => c is < ' ' or > '~'))
            mistakes.Add(new("Idempotency-Key", $"must be one header of 1 to {MaxIdempotencyKey} printable ASCII characters"));
        return values[0];
    }

    private static Outcome<string> State(HttpRequest request)
    {
        var state = request.Query["state"].ToString();
        return state is "" or RunStates.Queued or RunStates.Running || RunStates.IsFinal(state)
            ? state
            : new Refusal(RefusalReason.RequestMalformed, "state is no state of a run");
    }

    private static Outcome<long> Number(HttpRequest request, string name, long least, long most)
    {
        if (!request.Query.TryGetValue(name, out var text))
            return 0;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : new Refusal(RefusalReason.RequestMalformed, $"{name} is no number from {least} to {most}");
    }
}
