using System.Net;
using Lanyard.Identity.Federation;

namespace Lanyard.Credentials.Aws;

/// <summary>One bounded request to AWS: no redirects, 30 s, 1 MiB.</summary>
internal static class AwsHttp
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    /// <returns>The status and the body; or, when there was no answer, why.</returns>
    public static async Task<(HttpStatusCode Status, byte[] Body, string? Error)> SendAsync(HttpRequestMessage request)
    {
        using var handler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = !request.RequestUri!.IsLoopback };
        using var client = new HttpClient(handler) { Timeout = Timeout, MaxResponseContentBufferSize = 1024 * 1024 };
        try
        {
            using var response = await client.SendAsync(request);
            return (response.StatusCode, await response.Content.ReadAsByteArrayAsync(), null);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException)
        {
            return (0, [], $"{request.RequestUri.Host} could not be reached: {ConnectionFault.Words(exception, request.RequestUri)}");
        }
    }

    /// <summary>What AWS said, on one line and without control characters: it may go to a terminal.</summary>
    public static string OneLine(string text) => string.Concat(text.Take(400).Select(static c => char.IsControl(c) ? ' ' : c));
}
