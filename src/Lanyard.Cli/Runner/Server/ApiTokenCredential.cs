using System.Net;
using System.Text;
using System.Text.Json;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Runner.Platform;
using Lanyard.Identity;
using Lanyard.Protocol.OAuth;

namespace Lanyard.Cli.Runner.Server;

/// <summary>API tokens from a token endpoint for what this host can show, kept in memory and renewed when a fifth of their life is left.</summary>
/// <param name="show">The form: what proves this host, made anew for each request.</param>
internal sealed class ApiTokenCredential(
    string endpoint, Func<CancellationToken, Task<Outcome<KeyValuePair<string, string>[]>>> show, HttpClient http, TimeProvider time) : RunnerCredential, IDisposable
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);
    private readonly SemaphoreSlim _one = new(1);
    private volatile Kept? _kept;

    /// <summary>For a host's key: client credentials with a <c>private_key_jwt</c> assertion (RFC 7523).</summary>
    public static ApiTokenCredential ForKey(HostKey key, HttpClient http, Uri instance, TimeProvider time)
    {
        var audience = instance.AbsoluteUri.TrimEnd('/');
        return new ApiTokenCredential(
            audience + "/token",
            _ => Task.FromResult<Outcome<KeyValuePair<string, string>[]>>((KeyValuePair<string, string>[])
            [
                new("grant_type", OAuthNames.GrantClientCredentials),
                new("client_assertion_type", OAuthNames.ClientAssertionJwtBearer),
                new("client_assertion", key.Assert(audience)),
            ]),
            http,
            time);
    }

    /// <summary>For a host that its platform vouches for: the platform's token is exchanged (RFC 8693) for that of the runner which is named.</summary>
    /// <param name="name"><c>WORKSPACE/RUNNER</c>, or the name of a shared runner: at a workspace's endpoint its own trust counts alone.</param>
    public static ApiTokenCredential ForPlatform(TokenSource source, string name, HttpClient http, Uri instance, TimeProvider time)
    {
        var root = instance.AbsoluteUri.TrimEnd('/');
        var parts = name.Split('/');
        return new ApiTokenCredential(
            parts.Length == 2 ? $"{root}/oidc/{parts[0]}/token" : $"{root}/token",
            async cancellationToken => (await source.FetchAsync(cancellationToken)).TryGet(out var token, out var refusal)
                ? (KeyValuePair<string, string>[])
                [
                    new("grant_type", OAuthNames.GrantTokenExchange),
                    new("subject_token", token),
                    new("subject_token_type", OAuthNames.TokenTypeJwt),
                    new("runner", parts[^1]),
                ]
                : refusal,
            http,
            time);
    }

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
        if (!(await show(cancellationToken)).TryGet(out var fields, out var refusal))
        {
            return refusal;
        }

        using var limit = new CancellationTokenSource(Timeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        using var form = new FormUrlEncodedContent(fields);
        using var response = await http.PostAsync(new Uri(endpoint), form, both.Token);
        var body = await response.Content.ReadAsByteArrayAsync(both.Token);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            var said = HttpCall.Member(Encoding.UTF8.GetString(body), "error_description") is { } text ? $": {Printing.Plain(text)}" : "";
            return new Refusal(RefusalReason.Forbidden, $"the server gives this host no token: status {(int)response.StatusCode}{said}{HttpCall.RequestOf(response)}{ClockSkew.Words(response, time)}");
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
