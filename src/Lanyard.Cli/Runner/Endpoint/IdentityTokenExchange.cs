using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Lanyard.Cli.Runner.Logs;
using Lanyard.Identity;
using Lanyard.Protocol.OAuth;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Endpoint;

/// <param name="From"><see cref="TimeProvider.GetTimestamp"/> from before it was asked for.</param>
internal sealed record MintedToken(string Value, long From, TimeSpan Life);

/// <summary>
/// Mints the identity tokens of one attempt: RFC 8693 token exchange of its runtime token at the workspace's issuer. The runtime token
/// never leaves the runner, and a token is masked in the attempt's log before anyone gets it.
/// </summary>
internal sealed class IdentityTokenExchange(HttpClient http, AttemptPayload payload, AttemptLog log, TimeProvider time)
{
    private const int LeastSeconds = 60;
    private const int MostSeconds = 3600;
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    /// <param name="audience">Null: the workspace's default.</param>
    /// <param name="life">Asked for; the server may give less, and by default decides.</param>
    /// <param name="subject">Name of another of the audience's subject templates; null: its default.</param>
    public async Task<Outcome<string>> MintAsync(string? audience, TimeSpan? life, CancellationToken cancellationToken, string? subject = null) =>
        (await RequestAsync(audience, life, subject, cancellationToken)).TryGet(out var token, out var refusal) ? token.Value : refusal;

    /// <summary>With how long it lives, for whoever renews it; the life is the server's to decide.</summary>
    public Task<Outcome<MintedToken>> MintTimedAsync(string audience, CancellationToken cancellationToken) => RequestAsync(audience, null, null, cancellationToken);

    private async Task<Outcome<MintedToken>> RequestAsync(string? audience, TimeSpan? life, string? subject, CancellationToken cancellationToken)
    {
        var sent = time.GetTimestamp();
        using var limit = new CancellationTokenSource(Timeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, payload.Issuer + "/token") { Content = Form(audience ?? payload.DefaultAudience, life, subject) };
            using var response = await http.SendAsync(request, both.Token);
            var body = await response.Content.ReadAsByteArrayAsync(both.Token);
            return response.StatusCode == HttpStatusCode.OK ? Take(body, sent) : Refuse(response.StatusCode, body);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or JsonException or OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return new Refusal(RefusalReason.Unavailable, $"the issuer {payload.Issuer} could not be reached: {exception.GetType().Name}");
        }
    }

    private static Refusal Refuse(HttpStatusCode status, byte[] body)
    {
        var error = JsonSerializer.Deserialize(body, OAuthJson.Default.OAuthErrorResponse);
        var reason = (int)status is 408 or 429 or >= 500 ? RefusalReason.Unavailable : RefusalReason.AudienceNotAllowed;
        return new Refusal(reason, $"{error?.Error}: {error?.ErrorDescription}");
    }

    private FormUrlEncodedContent Form(string audience, TimeSpan? life, string? subject)
    {
        List<KeyValuePair<string, string>> fields =
        [
            new("grant_type", OAuthNames.GrantTokenExchange),
            new("subject_token", payload.RuntimeToken),
            new("subject_token_type", OAuthNames.TokenTypeAccessToken),
            new("requested_token_type", OAuthNames.TokenTypeIdToken),
            new("audience", audience),
        ];
        if (life is { } asked)
        {
            var seconds = Math.Clamp((int)Math.Min(asked.TotalSeconds, MostSeconds), LeastSeconds, MostSeconds);
            fields.Add(new("expires_in", seconds.ToString(CultureInfo.InvariantCulture)));
        }

        if (subject is not null)
        {
            fields.Add(new("subject", subject));
        }

        return new FormUrlEncodedContent(fields) { Headers = { ContentType = new MediaTypeHeaderValue("application/x-www-form-urlencoded") } };
    }

    private Outcome<MintedToken> Take(byte[] body, long sent)
    {
        var answer = JsonSerializer.Deserialize(body, OAuthJson.Default.TokenResponse);
        if (answer?.AccessToken is not { Length: > 0 } token
            || token.AsSpan().IndexOfAnyExceptInRange('!', '~') >= 0)
        {
            return new Refusal(RefusalReason.Unavailable, $"the issuer {payload.Issuer} answered without a token");
        }

        // The signature alone is masked too: a tool may print a token in parts.
        return log.TryHide(token, token[(token.LastIndexOf('.') + 1)..])
            ? new MintedToken(token, sent, TimeSpan.FromSeconds(answer.ExpiresIn))
            : new Refusal(RefusalReason.TooManyRequests, "this attempt has asked for more tokens than can be masked in its log");
    }
}
