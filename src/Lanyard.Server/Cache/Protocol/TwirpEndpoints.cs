using Lanyard.Identity;
using Lanyard.Protocol.Runtime;
using Lanyard.Server.Http;
using Lanyard.Server.Runtime;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Cache.Protocol;

/// <summary>Protocol v2. The texts that begin with "cache write denied:" and "cache read denied:" are read by clients.</summary>
internal static class TwirpEndpoints
{
    public const string WriteDenied = "cache write denied: the token may write to no scope of this repository's cache";
    public const string ReadDenied = "cache read denied: the token may read no scope of this repository's cache";

    public static async Task<IResult> CreateAsync(HttpContext context, RuntimeCaller caller, CacheService cache, CacheLinks links)
    {
        if (!(await caller.RequireAsync(context)).TryGet(out var subject, out var refusal)) return new Refused(refusal);
        var (message, error) = await TwirpAnswers.ReadAsync(context.Request, TwirpSchema.CreateRequest);
        if (message is null) return error!;

        var answer = new TwirpMessage(TwirpSchema.CreateResponse);
        if ((await cache.ReserveAsync(context, subject, message.Text("key"), message.Text("version"))).TryGet(out var entry, out refusal))
        {
            answer.Set("ok", true).Set("signed_upload_url", links.Upload(context, entry));
            return TwirpAnswers.Answer(context.Request, answer);
        }

        return refusal.Reason switch
        {
            RefusalReason.Forbidden => TwirpAnswers.Answer(context.Request, answer.Set("ok", false).Set("message", WriteDenied)),
            RefusalReason.Conflict => TwirpAnswers.Error(409, "already_exists", "cache entry with the same key, version, and scope already exists"),
            _ => TwirpAnswers.Refused(refusal),
        };
    }

    public static async Task<IResult> FinalizeAsync(HttpContext context, RuntimeCaller caller, CacheService cache)
    {
        if (!(await caller.RequireAsync(context)).TryGet(out var subject, out var refusal)) return new Refused(refusal);
        var (message, error) = await TwirpAnswers.ReadAsync(context.Request, TwirpSchema.FinalizeRequest);
        if (message is null) return error!;

        var answer = new TwirpMessage(TwirpSchema.FinalizeResponse);
        var outcome = await cache.FinalizeAsync(context, subject, message.Text("key"), message.Text("version"), message.Number("size_bytes"));
        if (outcome.TryGet(out var entry, out refusal)) return TwirpAnswers.Answer(context.Request, answer.Set("ok", true).Set("entry_id", entry.Id));
        return refusal.Reason switch
        {
            RefusalReason.Forbidden => TwirpAnswers.Answer(context.Request, answer.Set("ok", false).Set("message", WriteDenied)),
            RefusalReason.Conflict => TwirpAnswers.Answer(
                context.Request, answer.Set("ok", false).Set("message", "the upload is not complete: its size is not the one that was announced")),
            RefusalReason.RequestTooLarge => TwirpAnswers.Answer(context.Request, answer.Set("ok", false).Set("message", refusal.Detail)),
            RefusalReason.NotFound => TwirpAnswers.Error(404, "not_found", "no upload of this caller is pending for the key"),
            _ => TwirpAnswers.Refused(refusal),
        };
    }

    public static async Task<IResult> DownloadAsync(HttpContext context, RuntimeCaller caller, CacheService cache, CacheLinks links)
    {
        if (!(await caller.RequireAsync(context)).TryGet(out var subject, out var refusal)) return new Refused(refusal);
        var (message, error) = await TwirpAnswers.ReadAsync(context.Request, TwirpSchema.DownloadRequest);
        if (message is null) return error!;

        var answer = new TwirpMessage(TwirpSchema.DownloadResponse);
        var keys = (IReadOnlyList<string>)[message.Text("key"), .. message.Texts("restore_keys")];
        if ((await cache.MatchAsync(context, subject, keys, message.Text("version"))).TryGet(out var entry, out refusal))
        {
            answer.Set("ok", true)
                .Set("signed_download_url", await links.DownloadAsync(context, entry))
                .Set("matched_key", entry.Key);
            return TwirpAnswers.Answer(context.Request, answer);
        }

        return refusal.Reason switch
        {
            RefusalReason.NotFound => TwirpAnswers.Answer(context.Request, answer.Set("ok", false)),
            RefusalReason.Forbidden => TwirpAnswers.Error(403, "permission_denied", ReadDenied),
            _ => TwirpAnswers.Refused(refusal),
        };
    }

    /// <summary>Other services, other methods, other verbs: a client must not take it for an outage. Calls of GitHub's own jobs go on to GitHub's, where that is configured.</summary>
    public static async Task<IResult> UnknownAsync(string? rest, HttpContext context, RuntimeCaller caller, ResultsForwarder forwarder)
    {
        if (context.Request.Method == HttpMethods.Post && Access.PrincipalOf(context) is { Kind: PrincipalKind.Workflow }
            && (await caller.RequireAsync(context)).TryGet(out var subject, out _) && subject.ResultsUrl is { } results && ResultsForwarder.IsRoute(rest ?? ""))
            return await forwarder.ForwardAsync(context, results);
        return TwirpAnswers.Error(404, "bad_route", $"no handler for {context.Request.Method} on this path");
    }

    /// <summary>
    /// Where the caller reaches the blobs: as configured; else where the caller says that it does (a runner's listener stands between it and us; the URL goes to
    /// the caller alone); else where it has reached us.
    /// </summary>
    public static string Origin(HttpContext context, CacheOptions options) => options.BlobOrigin
        ?? (context.Request.Headers[CacheHeaders.Origin] is [{ Length: > 0 and <= 255 } said] && IsOrigin(said) ? said : $"{context.Request.Scheme}://{context.Request.Host}");

    private static bool IsOrigin(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url.PathAndQuery == "/" && !text.EndsWith('/') && url.UserInfo.Length == 0;
}
