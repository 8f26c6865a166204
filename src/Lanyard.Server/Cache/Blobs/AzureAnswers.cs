using System.Globalization;
using System.Security;
using System.Text;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Cache.Blobs;

/// <summary>Headers and errors as Azure's block blobs have them. No version that a client names is ever refused.</summary>
internal static class AzureAnswers
{
    /// <summary>On every answer: clients read the request id without looking whether it is there, and compare their own. A header of an answer takes ASCII only: another id is not sent back.</summary>
    public static void Begin(HttpContext context)
    {
        var headers = context.Response.Headers;
        headers["x-ms-request-id"] = context.TraceIdentifier;
        headers["x-ms-version"] = "2021-12-02";
        if (context.Request.Headers["x-ms-client-request-id"] is [{ Length: > 0 and <= 128 } id] && id.All(static c => c is >= ' ' and <= '~')) headers["x-ms-client-request-id"] = id;
    }

    /// <summary>Exactly 201: clients take nothing else for a success.</summary>
    public static IResult Created(HttpContext context, CacheEntry entry)
    {
        context.Response.Headers.ETag = ETagOf(entry);
        context.Response.Headers.LastModified = entry.CreatedAt.ToString("R", CultureInfo.InvariantCulture);
        context.Response.Headers["x-ms-request-server-encrypted"] = entry.Encrypted ? "true" : "false";
        return Results.StatusCode(StatusCodes.Status201Created);
    }

    public static string ETagOf(CacheEntry entry) => $"\"0x{entry.Blob[..16].ToUpperInvariant()}\"";

    public static IResult Error(int status, string code, string message) => new ErrorResult(status, code, message);

    /// <summary>For refusals that no endpoint words itself.</summary>
    public static Task WriteAsync(HttpContext context, ErrorAnswer error) => WriteAsync(context, CodeOf(error.Status), error.Text);

    private static string CodeOf(int status) => status switch
    {
        400 => "InvalidInput",
        401 or 403 => "AuthenticationFailed",
        404 => "BlobNotFound",
        405 => "UnsupportedHttpVerb",
        408 => "OperationTimedOut",
        409 => "BlobImmutableDueToPolicy",
        413 => "RequestBodyTooLarge",
        429 or 503 => "ServerBusy",
        _ => "InternalError",
    };

    private static Task WriteAsync(HttpContext context, string code, string message)
    {
        Begin(context);
        context.Response.Headers["x-ms-error-code"] = code;
        var xml = Encoding.UTF8.GetBytes($"""<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{SecurityElement.Escape(message)}</Message></Error>""");
        context.Response.ContentType = "application/xml";
        context.Response.ContentLength = xml.Length;
        return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : context.Response.Body.WriteAsync(xml, context.RequestAborted).AsTask();
    }

    private sealed class ErrorResult(int status, string code, string message) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext)
        {
            httpContext.Response.StatusCode = status;
            return WriteAsync(httpContext, code, message);
        }
    }
}
