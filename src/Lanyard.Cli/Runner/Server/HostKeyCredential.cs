using System.Net;
using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Protocol.OAuth;

namespace Lanyard.Cli.Runner.Server;

/// <summary>
/// API tokens for a host's key: <c>POST &lt;instance&gt;/token</c>, client credentials with a <c>private_key_jwt</c> assertion, kept in
/// memory and renewed when a fifth of their life is left.
/// </summary>
internal sealed class HostKeyCredential(HostKey key, HttpClient http, Uri instance, TimeProvider time) : RunnerCredential, IDisposable
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);
    private readonly SemaphoreSlim _one = new(1);
    private readonly string _audience = instance.AbsoluteUri.TrimEnd('/');
    private volatile Kept? _kept;

    public override async ValueTask<Outcome<string>> GetAsync(CancellationToken cancellationToken)
    {
        if (Usable() is { } ready)
        {
            return ready;
        }

        await _one.WaitAsync(cancellationToken);
        try
        {
            return Usable() is { } renewed ? renewed : await RequestAsync(cancellationToken);
        }
        finally
        {
            _one.Release();
        }
    }

    public override void Refused(string bearer)
    {
        if (_kept is { } kept && kept.Token == bearer)
        {
            Interlocked.CompareExchange(ref _kept, null, kept);
        }
    }

    public void Dispose() => _one.Dispose();

    private string? Usable() => _kept is { } kept && time.GetElapsedTime(kept.From) < kept.Use ? kept.Token : null;

    private async Task<Outcome<string>> RequestAsync(CancellationToken cancellationToken)
    {
        var from = time.GetTimestamp();
        using var limit = new CancellationTokenSource(Timeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        using var form = new FormUrlEncodedContent(
        [
            new("grant_type", OAuthNames.GrantClientCredentials),
            new("client_assertion_type", OAuthNames.ClientAssertionJwtBearer),
            new("client_assertion", key.Assert(_audience)),
        ]);
        using var response = await http.PostAsync(new Uri(_audience + "/token"), form, both.Token);
        var body = await response.Content.ReadAsByteArrayAsync(both.Token);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            return new Refusal(RefusalReason.Forbidden, $"the server gives this host's key no token: status {(int)response.StatusCode}");
        }

        var answer = JsonSerializer.Deserialize(body, OAuthJson.Default.TokenResponse);
        if (answer is not { AccessToken.Length: > 0, ExpiresIn: > 0 and < 86400 })
        {
            return new Refusal(RefusalReason.Unavailable, "the token endpoint's answer holds no token");
        }

        _kept = new Kept(answer.AccessToken, from, TimeSpan.FromSeconds(answer.ExpiresIn) * 0.8);
        return answer.AccessToken;
    }

    private sealed record Kept(string Token, long From, TimeSpan Use);
}
