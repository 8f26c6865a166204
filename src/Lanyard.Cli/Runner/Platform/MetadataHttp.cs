using System.Net;
using Lanyard.Identity.Federation;
using Lanyard.Identity;

namespace Lanyard.Cli.Runner.Platform;

/// <summary>What a platform's endpoint answered.</summary>
internal sealed record PlatformAnswer(HttpStatusCode Status, string Body, Func<string, string?> Header);

/// <summary>
/// Calls of a platform's own endpoints: they are of this host, so no proxy and no redirect is ever followed (what they answer are credentials), and each is bounded in time
/// and size.
/// </summary>
internal sealed class MetadataHttp(TimeProvider time) : IDisposable
{
    private const int MaxBytes = 64 * 1024;
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        UseProxy = false,
        ConnectTimeout = TimeSpan.FromSeconds(2),
        MaxResponseHeadersLength = 32,
    })
    {
        Timeout = System.Threading.Timeout.InfiniteTimeSpan,
        MaxResponseContentBufferSize = MaxBytes,
    };

    /// <returns>Or Unavailable: nothing answered, too late, or too much.</returns>
    public async Task<Outcome<PlatformAnswer>> SendAsync(
        HttpMethod method, Uri uri, IEnumerable<KeyValuePair<string, string>> headers, CancellationToken cancellationToken, HttpContent? body = null)
    {
        using var limit = new CancellationTokenSource(Timeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        using var request = new HttpRequestMessage(method, uri) { Content = body };
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        try
        {
            using var response = await _http.SendAsync(request, both.Token);
            var text = await response.Content.ReadAsStringAsync(both.Token);
            return new PlatformAnswer(response.StatusCode, text, name => response.Headers.TryGetValues(name, out var values) ? string.Join(',', values) : null);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return new Refusal(RefusalReason.Unavailable, $"{uri.GetLeftPart(UriPartial.Path)} can't be asked: {ConnectionFault.Words(exception)}");
        }
    }

    public void Dispose() => _http.Dispose();
}
