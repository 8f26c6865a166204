using System.Net;
using System.Net.Http.Headers;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Cache.Protocol;

/// <summary>
/// Passes calls to other services than the cache on to GitHub's own results service: clients have one URL for both (<c>ACTIONS_RESULTS_URL</c>). Only GitHub's own
/// token goes there, back to who made it; a token of ours never leaves.
/// </summary>
internal sealed class ResultsForwarder : IDisposable
{
    private const int MaxRequest = 256 * 1024;
    private const int MaxAnswer = 1024 * 1024;

    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        ConnectTimeout = TimeSpan.FromSeconds(10),
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
    })
    {
        Timeout = TimeSpan.FromSeconds(30),
        MaxResponseContentBufferSize = MaxAnswer,
    };

    /// <summary>A service of another name, and a method.</summary>
    public static bool IsRoute(string rest) =>
        rest.Split('/') is [{ Length: > 0 and <= 128 } service, { Length: > 0 and <= 64 } method]
        && service.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_') && method.All(char.IsAsciiLetterOrDigit)
        && !service.EndsWith(".CacheService", StringComparison.Ordinal);

    /// <returns>What the service answers, error or not; 503 in Twirp's form where it does not.</returns>
    public async Task<IResult> ForwardAsync(HttpContext context, Uri results)
    {
        if (await SmallBody.ReadAsync(context.Request, MaxRequest) is not { } body) return TwirpAnswers.Error(400, "invalid_argument", "the body is too large");
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(results, context.Request.Path.Value)) { Content = new ByteArrayContent(body) };
        request.Headers.TryAddWithoutValidation("Authorization", context.Request.Headers.Authorization.ToString());
        request.Headers.TryAddWithoutValidation("User-Agent", context.Request.Headers.UserAgent.ToString());
        if (MediaTypeHeaderValue.TryParse(context.Request.ContentType, out var type)) request.Content.Headers.ContentType = type;
        try
        {
            using var response = await _http.SendAsync(request, context.RequestAborted);
            var answer = await response.Content.ReadAsByteArrayAsync(context.RequestAborted);

            // Clients repeat for half a minute what is no JSON: an error page is turned into an error.
            var media = response.Content.Headers.ContentType?.MediaType;
            if (media is not (TwirpAnswers.Json or TwirpAnswers.Protobuf)) return TwirpAnswers.Error(503, "unavailable", $"the results service answered {(int)response.StatusCode} without a message");
            return new Forwarded(response.StatusCode, media, response.Headers.RetryAfter?.ToString(), answer);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException)
        {
            context.RequestAborted.ThrowIfCancellationRequested();
            return TwirpAnswers.Error(503, "unavailable", "the results service can't be reached");
        }
    }

    public void Dispose() => _http.Dispose();

    private sealed class Forwarded(HttpStatusCode status, string media, string? retryAfter, byte[] body) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext)
        {
            httpContext.Response.StatusCode = (int)status;
            httpContext.Response.ContentType = media;
            if (retryAfter is not null) httpContext.Response.Headers.RetryAfter = retryAfter;
            return httpContext.Response.Body.WriteAsync(body, httpContext.RequestAborted).AsTask();
        }
    }
}
