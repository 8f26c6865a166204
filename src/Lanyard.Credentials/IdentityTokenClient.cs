using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Lanyard.Identity.Federation;

namespace Lanyard.Credentials;

/// <summary>A token, or why there is none and with which exit code the program says so.</summary>
internal readonly record struct IdentityTokenAnswer(string? Token, string? Error, int ExitCode);

/// <summary>
/// Asks the endpoint that the environment names, in the protocol of GitHub Actions: <c>GET $ACTIONS_ID_TOKEN_REQUEST_URL&amp;audience=…</c>
/// with <c>$ACTIONS_ID_TOKEN_REQUEST_TOKEN</c> as bearer, answered by <c>{"value": "…"}</c>. The bearer never leaves for a host that
/// the URL does not name: no redirects, and plain HTTP on loopback only.
/// </summary>
internal static class IdentityTokenClient
{
    private const int MaxAnswerBytes = 256 * 1024;
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(20);

    public static async Task<IdentityTokenAnswer> RequestAsync(Func<string, string?> environment, string? audience, string? subject = null)
    {
        var url = environment("ACTIONS_ID_TOKEN_REQUEST_URL");
        var bearer = environment("ACTIONS_ID_TOKEN_REQUEST_TOKEN");
        if (string.IsNullOrEmpty(url) || string.IsNullOrEmpty(bearer))
        {
            return Fail(ExitCodes.NoIdentity, "ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN are not set: this is not a step of a run");
        }

        if (!Uri.TryCreate(With(With(url, "audience", audience), "subject", subject), UriKind.Absolute, out var uri)
            || !(uri.Scheme == Uri.UriSchemeHttps || (uri.Scheme == Uri.UriSchemeHttp && uri.IsLoopback)))
        {
            return Fail(ExitCodes.NoIdentity, "ACTIONS_ID_TOKEN_REQUEST_URL is not an https URL, nor an http one of this machine's loopback");
        }

        try
        {
            return await SendAsync(uri, bearer);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException)
        {
            var cause = exception is OperationCanceledException ? $"no answer within {Timeout.TotalSeconds:0} s" : ConnectionFault.Words(exception, uri);
            return Fail(ExitCodes.Unreachable, $"the endpoint at {uri.Host}:{uri.Port} could not be reached: {cause}");
        }
        catch (FormatException)
        {
            return Fail(ExitCodes.NoIdentity, "ACTIONS_ID_TOKEN_REQUEST_TOKEN can't be sent as a bearer");
        }
    }

    private static string With(string url, string name, string? value) =>
        value is null ? url : $"{url}{(url.Contains('?', StringComparison.Ordinal) ? '&' : '?')}{name}={Uri.EscapeDataString(value)}";

    private static async Task<IdentityTokenAnswer> SendAsync(Uri uri, string bearer)
    {
        using var handler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = !uri.IsLoopback };
        using var client = new HttpClient(handler) { Timeout = Timeout, MaxResponseContentBufferSize = MaxAnswerBytes };
        using var request = new HttpRequestMessage(HttpMethod.Get, uri);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", bearer);
        using var response = await client.SendAsync(request);
        var body = await response.Content.ReadAsByteArrayAsync();
        if (response.StatusCode != HttpStatusCode.OK)
        {
            return Fail(ExitCodes.Refused, $"refused with status {(int)response.StatusCode}{Reason(body)}");
        }

        return Member(body, "value") is { Length: > 0 } token && token.AsSpan().IndexOfAnyExceptInRange('!', '~') < 0
            ? new IdentityTokenAnswer(token, null, ExitCodes.Done)
            : Fail(ExitCodes.Unreachable, "the endpoint's answer holds no token");
    }

    /// <summary>What the endpoint said, on one line and without control characters: it may go to a terminal.</summary>
    private static string Reason(byte[] body)
    {
        var text = Member(body, "message") ?? Member(body, "error_description");
        return text is null ? "" : ": " + string.Concat(text.Take(300).Select(c => char.IsControl(c) ? ' ' : c));
    }

    private static string? Member(byte[] body, string name)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            return document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty(name, out var value)
                && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static IdentityTokenAnswer Fail(int exitCode, string error) => new(null, error, exitCode);
}
