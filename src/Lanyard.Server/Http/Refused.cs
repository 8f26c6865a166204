using System.Globalization;
using Lanyard.Identity;
using Lanyard.Protocol.Kubernetes;
using Lanyard.Protocol.OAuth;
using Lanyard.Protocol.Resources;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Http;

/// <summary>
/// The answer to a refusal, in the dialect of the endpoint (<see cref="ErrorDialect"/>). Only the reason's fixed text goes out; the
/// detail goes to the log.
/// </summary>
internal sealed class Refused(Refusal refusal, bool clientAuthentication = false, IReadOnlyList<Mistake>? mistakes = null) : IResult
{
    /// <param name="mistakes">Every mistake of what the caller itself sent: these texts go out.</param>
    public static Refused Malformed(IReadOnlyList<Mistake> mistakes) =>
        new(new Refusal(RefusalReason.RequestMalformed, $"{mistakes.Count} mistakes, the first: {mistakes[0]}"), mistakes: mistakes);

    /// <summary>For a caller who may see and change the thing: what of its present state forbids the change goes out, because only that says what to do first.</summary>
    public static Refused Told(Refusal refusal) => new(refusal, mistakes: refusal.Reason == RefusalReason.Conflict ? [new Mistake("", refusal.Detail)] : null);

    public async Task ExecuteAsync(HttpContext httpContext)
    {
        await TellAsync(httpContext, httpContext.Request.Method, httpContext.Request.Path);
        if (httpContext.GetEndpoint()?.Metadata.GetMetadata<OwnDialect>() is { } own)
        {
            var status = RefusalText.StatusOf(refusal.Reason);
            Start(httpContext, status);
            await own.WriteAsync(httpContext, new ErrorAnswer(status, refusal.Reason, RefusalText.Of(refusal.Reason)));
            return;
        }

        await ((httpContext.GetEndpoint()?.Metadata.GetMetadata<DialectMetadata>()?.Dialect ?? ErrorDialect.Problem) switch
        {
            ErrorDialect.OAuth => WriteOAuthAsync(httpContext),
            ErrorDialect.Kubernetes => WriteKubernetesAsync(httpContext),
            _ => WriteProblemAsync(httpContext),
        });
    }

    /// <summary>For one of several calls that came in one request: it is told as if it had come by itself.</summary>
    /// <param name="path">Of the call, were it one by itself.</param>
    public async Task<Problem> TellProblemAsync(HttpContext context, string method, string path)
    {
        await TellAsync(context, method, path);
        return ProblemOf(context);
    }

    /// <summary>Log and audit.</summary>
    private async Task TellAsync(HttpContext context, string method, string path)
    {
        if (context.RequestServices?.GetService<ILoggerFactory>()?.CreateLogger("Lanyard.Server.Http") is { } logger)
        {
            logger.Refused(method, path, refusal.Stage, refusal.Reason, refusal.Detail, context.TraceIdentifier);
        }

        if (context.RequestServices?.GetService<RefusalHook>() is { } hook)
        {
            await hook(context, $"{method} {path}", refusal);
        }
    }

    private Problem ProblemOf(HttpContext context) => new(
        $"urn:lanyard:problem:{RefusalText.NameOf(refusal.Reason)}", RefusalText.Of(refusal.Reason), RefusalText.StatusOf(refusal.Reason), context.TraceIdentifier, mistakes);

    private Task WriteProblemAsync(HttpContext context)
    {
        var problem = ProblemOf(context);
        Start(context, problem.Status);
        return JsonAnswer.WriteAsync(context.Response, problem, ResourceJson.Default.Problem, "application/problem+json");
    }

    private Task WriteOAuthAsync(HttpContext context)
    {
        var (error, status) = RefusalText.OAuthOf(refusal.Reason, clientAuthentication);
        Start(context, status);
        context.Response.Headers.CacheControl = "no-store";
        return JsonAnswer.WriteAsync(
            context.Response, new OAuthErrorResponse(error, RefusalText.Of(refusal.Reason)), OAuthJson.Default.OAuthErrorResponse, "application/json");
    }

    private Task WriteKubernetesAsync(HttpContext context)
    {
        var status = RefusalText.StatusOf(refusal.Reason);
        Start(context, status);
        return JsonAnswer.WriteAsync(
            context.Response, KubernetesStatus.Failure(status, RefusalText.KubernetesOf(refusal.Reason), RefusalText.Of(refusal.Reason)),
            KubernetesJson.Default.KubernetesStatus,
            "application/json");
    }

    private void Start(HttpContext context, int status)
    {
        context.Response.StatusCode = status;
        if (status == 401)
        {
            // RFC 6750 §3.1: no error code where no token was sent.
            context.Response.Headers.WWWAuthenticate = refusal.Reason == RefusalReason.TokenMissing ? "Bearer" : "Bearer error=\"invalid_token\"";
        }
        else if (RefusalText.RetryAfterOf(status) is { } seconds)
        {
            context.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        }
    }
}

/// <summary>Hears of every refusal before its answer leaves; Audit puts one in.</summary>
/// <param name="target">Method and path of the call.</param>
internal delegate Task RefusalHook(HttpContext context, string target, Refusal refusal);

internal sealed record DialectMetadata(ErrorDialect Dialect);

internal static partial class HttpLog
{
    [LoggerMessage(LogLevel.Information, "{Method} {Path} refused: {Stage}/{Reason}: {Detail} ({RequestId})")]
    public static partial void Refused(
        this ILogger logger, string method, string path, Stage stage, RefusalReason reason, string detail, string requestId);

    [LoggerMessage(LogLevel.Error, "{Method} {Path} failed ({RequestId})")]
    public static partial void Failed(this ILogger logger, Exception exception, string method, string path, string requestId);
}
