using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.OAuth;

namespace Lanyard.Cli.Connection;

/// <summary>Where the bearer of a request comes from. A token is asked for before each request and kept in memory only.</summary>
internal abstract class BearerSource(IDisposable? owned = null) : IDisposable
{
    public abstract ValueTask<string> GetAsync(CancellationToken cancellationToken);

    public void Dispose() => owned?.Dispose();
}

/// <summary>A workload token in a file that somebody else renews, such as a projected service-account token.</summary>
internal sealed class TokenFileBearer(string path) : BearerSource
{
    private const int MaxBytes = 16 * 1024;

    public override async ValueTask<string> GetAsync(CancellationToken cancellationToken)
    {
        try
        {
            var file = new FileInfo(path);
            if (file.Length > MaxBytes)
            {
                throw new CommandStopped(ExitCode.Usage, $"--token-file {path} is longer than any token.");
            }

            return (await File.ReadAllTextAsync(path, cancellationToken)).Trim();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CommandStopped(ExitCode.Usage, $"--token-file {path}: {exception.Message}");
        }
    }
}

/// <summary>
/// A pipeline's own OIDC token, asked for by the protocol of GitHub Actions (which our runs speak too) for the instance's URL as audience.
/// </summary>
internal sealed class PipelineBearer(string requestUrl, string requestToken, string instance, HttpClient http) : BearerSource(http)
{
    private string? _token;

    public override async ValueTask<string> GetAsync(CancellationToken cancellationToken)
    {
        if (_token is not null)
        {
            return _token;
        }

        var separator = requestUrl.Contains('?', StringComparison.Ordinal) ? '&' : '?';
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{requestUrl}{separator}audience={Uri.EscapeDataString(instance)}");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", requestToken);
        using var response = await HttpCall.SendAsync(http, request, TimeSpan.FromSeconds(30), cancellationToken);
        var body = await HttpCall.ReadTextAsync(response, cancellationToken);
        _token = response.IsSuccessStatusCode ? HttpCall.Member(body, "value") : null;
        return _token ?? throw new CommandStopped(ExitCode.NotAuthenticated, $"the pipeline gave no OIDC token: HTTP {(int)response.StatusCode}.");
    }
}

/// <summary>
/// The admin key signs an assertion of 60 seconds (RFC 7523) that is exchanged at the instance's token endpoint for an API token
/// (RFC 6749 §4.4). The key itself never leaves the host.
/// </summary>
internal sealed class AdminKeyBearer(SigningKey key, string instance, HttpClient http, TimeProvider time) : BearerSource(key)
{
    private static readonly TimeSpan AssertionLife = TimeSpan.FromSeconds(60);

    /// <summary>A token with less life than this is replaced before it is used.</summary>
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(60);

    private string? _token;
    private DateTimeOffset _until;

    public override async ValueTask<string> GetAsync(CancellationToken cancellationToken)
    {
        if (_token is null || time.GetUtcNow() >= _until - Margin)
        {
            (_token, var seconds) = await ExchangeAsync(cancellationToken);
            _until = time.GetUtcNow().AddSeconds(seconds);
        }

        return _token;
    }

    private async Task<(string Token, long Seconds)> ExchangeAsync(CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"{instance}/token");
        request.Content = new FormUrlEncodedContent(
        [
            new("grant_type", OAuthNames.GrantClientCredentials),
            new("client_assertion_type", OAuthNames.ClientAssertionJwtBearer),
            new("client_assertion", MintAssertion()),
        ]);
        using var response = await HttpCall.SendAsync(http, request, TimeSpan.FromSeconds(30), cancellationToken);
        var body = await HttpCall.ReadTextAsync(response, cancellationToken);
        if (response.IsSuccessStatusCode && HttpCall.Member(body, "access_token") is { } token)
        {
            return (token, JsonNode.Parse(body)?["expires_in"] is JsonValue value && value.TryGetValue<long>(out var seconds) ? seconds : 0);
        }

        if ((HttpCall.Member(body, "error_description") ?? HttpCall.Member(body, "error")) is not { } cause)
        {
            throw new CommandStopped(ExitCode.Unreachable, $"{instance}/token answered HTTP {(int)response.StatusCode}, and not as a Lanyard server does: is {instance} the right URL?");
        }

        throw (int)response.StatusCode >= 500
            ? new CommandStopped(ExitCode.Unreachable, $"{instance} failed: {cause}")
            : new CommandStopped(ExitCode.NotAuthenticated, $"{instance} did not take the admin key {ClientId(key)}: {cause}{HttpCall.RequestOf(response)}{ClockSkew.Words(response, time)}");
    }

    private string MintAssertion()
    {
        var now = time.GetUtcNow();
        return TokenMint.Mint(key, OAuthNames.TypJwt, new TokenClaims
        {
            Issuer = ClientId(key),
            Subject = ClientId(key),
            Audiences = [instance],
            IssuedAt = now,
            ExpiresAt = now + AssertionLife,
            TokenId = Guid.CreateVersion7(now).ToString("N"),
        });
    }

    /// <summary>A key's client id: <c>key_</c> and its RFC 7638 thumbprint.</summary>
    internal static string ClientId(SigningKey key) => "key_" + key.KeyId;
}
