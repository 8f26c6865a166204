using System.Data.Common;
using Lanyard.Identity;
using Lanyard.Protocol.OAuth;
using Lanyard.Protocol.Resources;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Http;

/// <summary>
/// The edge that every feature shares: request ids (<c>X-Request-Id</c>, <c>requestId</c> in problems), security headers, answers to what
/// nobody handled (<see cref="Refused"/> in the endpoint's <see cref="ErrorDialect"/>), strict bodies (<see cref="StrictJson"/>),
/// preconditions (<see cref="Precondition"/>), paging (<see cref="Paging"/>), ids (<see cref="Ids"/>), and who may do what
/// (<see cref="Access"/>). It knows no feature.
/// </summary>
internal static class HttpFeature
{
    private const string SomethingFailed = "Something failed here.";

    /// <summary>Errors of these endpoints are told in another dialect than problems.</summary>
    public static TBuilder WithDialect<TBuilder>(this TBuilder builder, ErrorDialect dialect)
        where TBuilder : IEndpointConventionBuilder => builder.WithMetadata(new DialectMetadata(dialect));

    /// <summary>Goes first, around everything else.</summary>
    public static void UseEdge(this WebApplication app, TimeProvider time, ILoggerFactory loggers)
    {
        var logger = loggers.CreateLogger("Lanyard.Server.Http");
        app.Use(async (context, next) =>
        {
            Begin(context, time);
            try
            {
                await next(context);
                await AnswerUnhandledAsync(context);
            }
            catch (Exception exception) when (!context.RequestAborted.IsCancellationRequested && !context.Response.HasStarted)
            {
                await AnswerAsync(context, exception, logger);
            }
            catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
            {
                // The caller is gone; nobody is there to be answered.
            }
        });

        // Set here, so that it happens behind Begin: endpoints and their dialects are then known to all that follows.
        app.UseRouting();
    }

    private static void Begin(HttpContext context, TimeProvider time)
    {
        context.TraceIdentifier = Ids.New("req", time);
        var headers = context.Response.Headers;
        headers["X-Request-Id"] = context.TraceIdentifier;
        headers.XContentTypeOptions = "nosniff";
    }

    /// <summary>A path without an endpoint, a wrong method: the framework sets the status only.</summary>
    private static async Task AnswerUnhandledAsync(HttpContext context)
    {
        if (context.Response.HasStarted || context.Response.ContentLength is not null || context.Response.ContentType is not null)
        {
            return;
        }

        switch (context.Response.StatusCode)
        {
            case 404:
                await new Refused(new Refusal(RefusalReason.NotFound, "no such path")).ExecuteAsync(context);
                break;
            case 405:
                await WriteAsync(context, 405, "method-not-allowed", "The method is not allowed here.");
                break;
            case 415:
                await WriteAsync(context, 415, "unsupported-media-type", "The body's media type is not taken here.");
                break;
        }
    }

    private static async Task AnswerAsync(HttpContext context, Exception exception, ILogger logger)
    {
        context.Response.Headers.ContentLength = null;
        switch (exception)
        {
            case BadHttpRequestException { StatusCode: 413 }:
                await new Refused(new Refusal(RefusalReason.RequestTooLarge, exception.Message)).ExecuteAsync(context);
                return;
            case BadHttpRequestException { StatusCode: 408 }:
                await WriteAsync(context, 408, "request-timeout", "The body came too slowly.");
                return;
            case BadHttpRequestException:
                await new Refused(new Refusal(RefusalReason.RequestMalformed, exception.Message)).ExecuteAsync(context);
                return;
        }

        logger.Failed(exception, context.Request.Method, context.Request.Path, context.TraceIdentifier);
        if (IsOutage(exception))
        {
            await new Refused(new Refusal(RefusalReason.Unavailable, exception.GetType().Name)).ExecuteAsync(context);
            return;
        }

        await WriteAsync(context, 500, "internal", SomethingFailed);
    }

    /// <summary>Of the database: it will be over some time.</summary>
    public static bool IsOutage(Exception exception) => exception is DbException or TimeoutException;

    public static Problem InternalProblem(HttpContext context) => new("urn:lanyard:problem:internal", SomethingFailed, 500, context.TraceIdentifier);

    private static Task WriteAsync(HttpContext context, int status, string name, string text)
    {
        context.Response.StatusCode = status;
        if (context.GetEndpoint()?.Metadata.GetMetadata<OwnDialect>() is { } own)
        {
            return own.WriteAsync(context, new ErrorAnswer(status, null, text));
        }

        var dialect = context.GetEndpoint()?.Metadata.GetMetadata<DialectMetadata>()?.Dialect;
        if (dialect == ErrorDialect.OAuth)
        {
            context.Response.Headers.CacheControl = "no-store";
            return context.Response.WriteAsJsonAsync(
                new OAuthErrorResponse(status == 500 ? "server_error" : "invalid_request", text), OAuthJson.Default.OAuthErrorResponse, "application/json");
        }

        return context.Response.WriteAsJsonAsync(
            new Problem($"urn:lanyard:problem:{name}", text, status, context.TraceIdentifier, null), ResourceJson.Default.Problem, "application/problem+json");
    }
}
