using System.Text;
using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Cache.Protocol;

/// <summary>Answers and errors as Twirp has them: errors are JSON whatever the request was, because clients repeat what is not.</summary>
internal static class TwirpAnswers
{
    public const string Json = "application/json";
    public const string Protobuf = "application/protobuf";

    /// <summary>In the encoding of the request.</summary>
    public static IResult Answer(HttpRequest request, TwirpMessage message) =>
        IsProtobuf(request) ? Results.Bytes(TwirpProtobuf.Write(message), Protobuf) : Results.Bytes(TwirpJson.Write(message), Json);

    public static IResult Error(int status, string code, string text) => Results.Bytes(Body(code, text), Json).WithStatus(status);

    /// <summary>For refusals that no endpoint words itself.</summary>
    public static Task WriteAsync(HttpContext context, ErrorAnswer error)
    {
        // Twirp knows no 413.
        if (error.Status == 413) context.Response.StatusCode = 400;
        context.Response.ContentType = Json;
        return context.Response.Body.WriteAsync(Body(CodeOf(error.Status), error.Text), context.RequestAborted).AsTask();
    }

    /// <summary>The message of a request; or the error to answer. The body's size is capped.</summary>
    public static async Task<(TwirpMessage? Message, IResult? Error)> ReadAsync(HttpRequest request, IReadOnlyList<TwirpField> schema)
    {
        const int MaxBytes = 256 * 1024;
        if (!IsProtobuf(request) && !request.HasJsonContentType())
            return (null, Error(404, "bad_route", "the body must be application/json or application/protobuf"));
        if (await SmallBody.ReadAsync(request, MaxBytes) is not { } body) return (null, Error(400, "invalid_argument", "the body is too large"));
        var (message, mistake) = IsProtobuf(request) ? TwirpProtobuf.Read(body, schema) : TwirpJson.Read(body, schema);
        return message is null ? (null, Error(400, "malformed", mistake!)) : (message, null);
    }

    /// <summary>What a refusal means where an endpoint has no words of its own.</summary>
    public static IResult Refused(Refusal refusal) => refusal.Reason switch
    {
        // The mistakes are in what the caller sent itself.
        RefusalReason.RequestMalformed => Error(400, "invalid_argument", refusal.Detail),
        _ => new Refused(refusal),
    };

    private static bool IsProtobuf(HttpRequest request) =>
        request.ContentType is { } type && type.AsSpan().TrimStart().StartsWith(Protobuf, StringComparison.OrdinalIgnoreCase);

    private static string CodeOf(int status) => status switch
    {
        400 or 413 => "invalid_argument",
        401 => "unauthenticated",
        403 => "permission_denied",
        404 => "not_found",
        409 => "already_exists",
        429 => "resource_exhausted",
        503 => "unavailable",
        _ => "internal",
    };

    private static byte[] Body(string code, string text) =>
        Encoding.UTF8.GetBytes($$"""{"code":"{{code}}","msg":"{{JsonEncodedText.Encode(text)}}"}""");

    private static StatusResult WithStatus(this IResult result, int status) => new(result, status);

    private sealed class StatusResult(IResult inner, int status) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext)
        {
            httpContext.Response.StatusCode = status;
            return inner.ExecuteAsync(httpContext);
        }
    }
}
