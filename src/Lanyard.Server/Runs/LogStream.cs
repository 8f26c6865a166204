using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Server.Collections;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Runs;

/// <summary>
/// <c>GET …/runs/{run}/logs/stream</c>: the log as server-sent events (the HTML standard, 9.2), attempt after attempt, until the run has ended. Events are
/// <c>log</c> with <c>{"attempt", "offset", "text"}</c> and, last, <c>end</c> with <c>{"state"}</c>; each has the id <c>ATTEMPT-OFFSET</c> of what follows it, so that a
/// browser that was cut off goes on where it was (<c>Last-Event-ID</c>). A slow reader holds up nobody: it reads from the file at its own pace. Who may not read
/// any more, by what was revoked or ended, is cut off before the next piece.
/// </summary>
internal sealed class LogStream(RunLogs logs, LogTails tails, TimeProvider time)
{
    private const int Piece = 16 * 1024;

    /// <summary>Proxies end connections on which nothing comes.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(15);

    /// <summary>So often it is asked whether the reader still may.</summary>
    private static readonly TimeSpan Recheck = TimeSpan.FromMilliseconds(500);

    public static async Task<IResult> GetAsync(
        string workspace, string collection, string run, HttpContext context, CollectionDirectory directory, RunQueries queries, LogStream stream)
    {
        if (!(await RunsEndpoints.FindAsync(directory, queries, context, workspace, collection, run, Right.Read)).TryGet(out var listed, out var refusal)
            || !PlaceOf(context.Request).TryGet(out var place, out refusal))
            return new Refused(refusal);
        using var following = stream.Follow(listed.Run, out var tail);
        if (following is null)
            return new Refused(new Refusal(RefusalReason.TooManyRequests, $"more than {LogTails.MostOfOne} follow logs of the workspace here, or {LogTails.Most} of all"));
        var response = context.Response;
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-store";
        response.Headers["X-Accel-Buffering"] = "no";
        await stream.WriteAsync(tail, place, response, MayStillAsync, context.RequestAborted);
        return Results.Empty;

        async ValueTask<bool> MayStillAsync() =>
            (context.Features.Get<Standing>() is not { } standing || await standing.RefuseAsync(context.RequestAborted) is null)
            && !(await RunsEndpoints.FindAsync(directory, queries, context, workspace, collection, run, Right.Read)).IsRefused;
    }

    private IDisposable? Follow(RunRecord run, out Tail tail) => tails.Follow(run, out tail);

    /// <summary><c>Last-Event-ID</c>, or <c>?from=ATTEMPT-OFFSET</c>; the beginning where neither is there.</summary>
    private static Outcome<(int Attempt, long Offset)> PlaceOf(HttpRequest request)
    {
        var text = request.Headers["Last-Event-ID"].ToString() is { Length: > 0 } last ? last : request.Query["from"].ToString();
        if (text.Length == 0)
            return (1, 0L);
        return text.Split('-') is [var attempt, var offset]
            && int.TryParse(attempt, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0
            && long.TryParse(offset, NumberStyles.None, CultureInfo.InvariantCulture, out var from)
                ? (number, from)
                : new Refusal(RefusalReason.RequestMalformed, "the place is no ATTEMPT-OFFSET");
    }

    private async Task WriteAsync(Tail tail, (int Attempt, long Offset) place, HttpResponse response, Func<ValueTask<bool>> mayStill, CancellationToken cancellationToken)
    {
        var (attempt, offset) = place;
        var askedAt = time.GetTimestamp();
        var buffer = ArrayPool<byte>.Shared.Rent(Piece);
        try
        {
            await response.StartAsync(cancellationToken);
            while (true)
            {
                var (state, next) = tail.Now;
                if (time.GetElapsedTime(askedAt) >= Recheck)
                {
                    askedAt = time.GetTimestamp();
                    if (!await mayStill())
                    {
                        response.HttpContext.Abort();
                        return;
                    }
                }
                var isOver = state.Run.IsFinal || attempt < state.Run.Attempt;
                offset = await WriteLogAsync(state.Run.Id, attempt, offset, isOver, buffer, response, cancellationToken);
                if (isOver && attempt < state.Run.Attempt)
                {
                    (attempt, offset) = (attempt + 1, 0);
                    continue;
                }
                if (state.Run.IsFinal)
                {
                    await EndAsync(state.Run, attempt, offset, response, cancellationToken);
                    return;
                }
                if (tail.IsBroken)
                {
                    response.HttpContext.Abort(); // cut off, not ended: who follows comes again with the last event's id
                    return;
                }
                await WaitAsync(next, response, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The reader has gone.
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <returns>Where the next piece begins.</returns>
    private async Task<long> WriteLogAsync(string run, int attempt, long offset, bool isOver, byte[] buffer, HttpResponse response, CancellationToken cancellationToken)
    {
        await using var file = logs.OpenRead(run, attempt, offset);
        if (file is null || file.Position != offset)
            return offset;
        while (await file.ReadAtLeastAsync(buffer.AsMemory(0, Piece), Piece, false, cancellationToken) is > 0 and var read)
        {
            // A character that is not whole yet waits for its rest, unless there will be none.
            var whole = isOver && read < Piece ? read : read - Unfinished(buffer.AsSpan(0, read));
            if (whole == 0)
                return offset;
            var text = JsonEncodedText.Encode(Encoding.UTF8.GetString(buffer.AsSpan(0, whole)), JavaScriptEncoder.UnsafeRelaxedJsonEscaping);
            await response.WriteAsync(
                string.Create(CultureInfo.InvariantCulture, $"id: {attempt}-{offset + whole}\nevent: log\ndata: {{\"attempt\":{attempt},\"offset\":{offset},\"text\":\"{text}\"}}\n\n"),
                cancellationToken);
            offset += whole;
            file.Position = offset;
        }
        await response.Body.FlushAsync(cancellationToken);
        return offset;
    }

    /// <summary>Bytes at the end that begin a character and do not end it.</summary>
    private static int Unfinished(ReadOnlySpan<byte> bytes) =>
        Rune.DecodeLastFromUtf8(bytes, out _, out var length) == OperationStatus.NeedMoreData ? length : 0;

    private static async Task EndAsync(RunRecord run, int attempt, long offset, HttpResponse response, CancellationToken cancellationToken)
    {
        await response.WriteAsync(
            string.Create(CultureInfo.InvariantCulture, $"id: {attempt}-{offset}\nevent: end\ndata: {{\"state\":\"{run.State}\"}}\n\n"), cancellationToken);
        await response.Body.FlushAsync(cancellationToken);
    }

    private async Task WaitAsync(Task next, HttpResponse response, CancellationToken cancellationToken)
    {
        try
        {
            await next.WaitAsync(Silence, time, cancellationToken);
        }
        catch (TimeoutException)
        {
            await response.WriteAsync(": nothing yet\n\n", cancellationToken);
            await response.Body.FlushAsync(cancellationToken);
        }
    }
}
