using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Lanyard.ClusterProxy.Forwarding;
using Lanyard.ClusterProxy.Impersonation;
using Lanyard.ClusterProxy.Upstream;
using Lanyard.Identity;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary>
/// Token passthrough (opt-in): asks the API server, as the proxy itself, whose token one is that no configured issuer vouches for. Answers,
/// yes and no, are kept for 10 s under an HMAC whose key never leaves the process; no answer is a refusal and is not kept.
/// </summary>
/// <param name="audiences">Any of them must be the token's; empty leaves it to the API server.</param>
internal sealed class TokenReviews(OwnCalls calls, IReadOnlyList<string> audiences, TimeProvider time)
{
    private const int MaxRemembered = 8192;
    private const int MaxToken = 16 * 1024;
    private const string Path = "/apis/authentication.k8s.io/v1/tokenreviews";

    private static readonly TimeSpan Life = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Budget = TimeSpan.FromSeconds(5);

    private readonly byte[] _key = RandomNumberGenerator.GetBytes(32);
    private readonly ConcurrentDictionary<string, (Outcome<KubernetesUser> Outcome, long At)> _remembered = new(StringComparer.Ordinal);

    /// <summary>Only tokens that are nobody's we know: one that a configured issuer refused for its age, claims or policy has had its answer.</summary>
    public static bool IsFor(Refusal refusal) => refusal is { Reason: not RefusalReason.TokenMissing, Stage: Stage.Shape or Stage.Content or Stage.Issuer or Stage.Signature or Stage.Audience };

    public async ValueTask<Outcome<KubernetesUser>> AskAsync(string token, CancellationToken cancellation)
    {
        if (token.Length > MaxToken || token.AsSpan().ContainsAnyExceptInRange('!', '~'))
        {
            return new Refusal(RefusalReason.TokenMalformed, "no token to ask the API server about");
        }

        var name = Convert.ToHexString(HMACSHA256.HashData(_key, Encoding.ASCII.GetBytes(token)));
        if (_remembered.TryGetValue(name, out var known) && time.GetElapsedTime(known.At) < Life)
        {
            return known.Outcome;
        }

        var outcome = await ReviewAsync(token, cancellation);
        if (!outcome.IsRefused || outcome.Refusal.Reason != RefusalReason.Unavailable)
        {
            if (_remembered.Count >= MaxRemembered)
            {
                _remembered.Clear();
            }

            _remembered[name] = (outcome, time.GetTimestamp());
        }

        return outcome;
    }

    private async ValueTask<Outcome<KubernetesUser>> ReviewAsync(string token, CancellationToken cancellation)
    {
        using var budget = new CancellationTokenSource(Budget, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(budget.Token, cancellation);
        try
        {
            var (status, answer) = await calls.SendAsync("POST", Path, Body(token), both.Token);
            return status == 201 ? Read(answer) : new Refusal(RefusalReason.Unavailable, $"the token review answered {status}");
        }
        catch (UpstreamException e)
        {
            return new Refusal(RefusalReason.Unavailable, $"the token review failed: {e.Message}");
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return new Refusal(RefusalReason.Unavailable, $"the token review took over {Budget.TotalSeconds} s");
        }
    }

    private byte[] Body(string token)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("apiVersion", "authentication.k8s.io/v1");
        json.WriteString("kind", "TokenReview");
        json.WriteStartObject("spec");
        json.WriteString("token", token);
        if (audiences.Count > 0)
        {
            json.WriteStartArray("audiences");
            foreach (var audience in audiences)
            {
                json.WriteStringValue(audience);
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>An API server that knows audiences says which of ours it found; one that says none did not look (authentication/v1).</summary>
    private Outcome<KubernetesUser> Read(ReadOnlyMemory<byte> answer)
    {
        try
        {
            using var document = JsonDocument.Parse(answer);
            var status = document.RootElement.GetProperty("status");
            if (!status.TryGetProperty("authenticated", out var yes) || !yes.GetBoolean())
            {
                return new Refusal(RefusalReason.SignatureInvalid, "the API server does not know the token either");
            }

            if (audiences.Count > 0 && !(status.TryGetProperty("audiences", out var found) && found.EnumerateArray().Any(a => audiences.Contains(a.GetString(), StringComparer.Ordinal))))
            {
                return new Refusal(RefusalReason.AudienceMismatch, "the API server knows the token, for another audience");
            }

            return ReadUser(status.GetProperty("user"));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            return new Refusal(RefusalReason.Unavailable, "the token review's answer is unreadable");
        }
    }

    private static KubernetesUser ReadUser(JsonElement user) => new(user.GetProperty("username").GetString() is { Length: > 0 } name ? name : throw new JsonException("no username"))
    {
        Uid = user.TryGetProperty("uid", out var uid) ? uid.GetString() : null,
        Groups = user.TryGetProperty("groups", out var groups) ? [.. groups.EnumerateArray().Select(g => g.GetString()!)] : [],
        Extras = user.TryGetProperty("extra", out var extra)
            ? [.. extra.EnumerateObject().SelectMany(e => e.Value.EnumerateArray().Select(v => new ExtraValue(e.Name, v.GetString()!)))]
            : [],
    };
}
