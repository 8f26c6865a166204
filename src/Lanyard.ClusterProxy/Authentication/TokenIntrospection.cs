using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Identity.Tokens;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary>Which issuers are asked, and how the proxy shows who it is.</summary>
/// <param name="Issuers">As in <c>iss</c>; each is asked at its own <c>/introspect</c>.</param>
/// <param name="TokenFile">Read for each call, because it is renewed.</param>
/// <param name="CaFile">Null for the system's roots.</param>
internal sealed record IntrospectionOptions(IReadOnlyList<string> Issuers, string TokenFile, string? CaFile);

/// <summary>
/// Asks the issuer of a verified token whether it is still active (RFC 7662): signature and time say nothing of a run that has ended, or of a principal that was revoked. An answer is
/// kept for half a second, so that with the half that replicas of the server have for each other what is revoked is refused within one. No answer is a refusal: whoever could cut the way
/// to the server could keep a revoked token alive.
/// </summary>
internal sealed class TokenIntrospection(IntrospectionOptions options, TimeProvider time) : IDisposable
{
    public static readonly TimeSpan Life = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private const int MaxRemembered = 8192;

    private readonly ConcurrentDictionary<TokenHash, Look> _looks = new();
    private readonly HttpClient _http = ServerHttp.Create(options.CaFile, Patience);

    public bool Knows(string issuer) => options.Issuers.Contains(issuer, StringComparer.Ordinal);

    /// <returns>Null: it is active.</returns>
    public Task<Refusal?> RefuseAsync(string issuer, BearerToken bearer, CancellationToken cancellation)
    {
        if (_looks.Count >= MaxRemembered)
        {
            _looks.Clear();
        }

        // Counted from when it was asked: the answer is not newer than that.
        var next = new Look(time.GetTimestamp(), new(() => AskAsync(issuer, bearer.Text)));
        while (true)
        {
            if (!_looks.TryGetValue(bearer.Hash, out var last))
            {
                if (_looks.TryAdd(bearer.Hash, next))
                {
                    return next.Answer.Value.WaitAsync(cancellation);
                }
            }
            else if (time.GetElapsedTime(last.At) < Life)
            {
                return last.Answer.Value.WaitAsync(cancellation);
            }
            else if (_looks.TryUpdate(bearer.Hash, next, last))
            {
                return next.Answer.Value.WaitAsync(cancellation);
            }
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<Refusal?> AskAsync(string issuer, string token)
    {
        try
        {
            using var form = new FormUrlEncodedContent([new("token", token)]);
            using var request = new HttpRequestMessage(HttpMethod.Post, issuer + "/introspect") { Content = form };
            request.Headers.Authorization = new("Bearer", (await File.ReadAllTextAsync(options.TokenFile)).Trim());
            using var answer = await _http.SendAsync(request);
            if (answer.StatusCode != HttpStatusCode.OK)
            {
                return new Refusal(RefusalReason.Unavailable, $"{issuer} answered {(int)answer.StatusCode} to the question whether the token is active");
            }

            using var document = JsonDocument.Parse(await answer.Content.ReadAsByteArrayAsync());
            return document.RootElement.GetProperty("active").GetBoolean() ? null
                : new Refusal(RefusalReason.Revoked, $"{issuer} says that the token is not active any more (or does not tell the proxy: allow.introspect)");
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException or UnauthorizedAccessException or FormatException or JsonException or InvalidOperationException or KeyNotFoundException)
        {
            return new Refusal(RefusalReason.Unavailable, $"{issuer} does not say whether the token is active: {e.Message}");
        }
    }

    private sealed record Look(long At, Lazy<Task<Refusal?>> Answer);
}
