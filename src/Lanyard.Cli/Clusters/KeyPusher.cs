using System.Text.Json.Nodes;
using Lanyard.Identity.Tokens;

namespace Lanyard.Cli.Clusters;

/// <summary>The server's answer to a push.</summary>
/// <param name="State"><c>accepted</c>, <c>pending</c> or <c>awaiting-approval</c>; null: it was refused.</param>
/// <param name="Detail">The server's words.</param>
internal sealed record PushAnswer(string? State, string Detail);

/// <summary>
/// Keeps the server's copy of a private cluster's keys true: pushes whenever the keys change, and once an hour to say that they did not. The last token
/// that the server took stays in memory as the authorization, because a rotation makes the next one unknown to it; a token of the new key is the proof.
/// </summary>
/// <param name="readKeys">What the cluster publishes now.</param>
/// <param name="readToken">A token of the pusher's for the audience of pushes; true: signed by the key that signs now, where it can be had.</param>
/// <param name="push">Sends a body under a bearer.</param>
internal sealed class KeyPusher(
    Func<CancellationToken, Task<JsonObject>> readKeys,
    Func<bool, CancellationToken, Task<string>> readToken,
    Func<string, JsonObject, CancellationToken, Task<PushAnswer>> push,
    TimeProvider time)
{
    private const string Accepted = "accepted";
    private static readonly TimeSpan ConfirmEvery = TimeSpan.FromHours(1);
    private static readonly TimeSpan RepeatAfter = TimeSpan.FromMinutes(10);

    private string? _held;
    private string _accepted = "";
    private long _acceptedAt;
    private string _tried = "";
    private long _triedAt;

    /// <summary>Looks once, and pushes where there is something to say.</summary>
    /// <returns>What the server answered; null where nothing was sent.</returns>
    public async Task<PushAnswer?> LookAsync(CancellationToken cancellationToken)
    {
        var keys = await readKeys(cancellationToken);
        var published = keys.ToJsonString();
        var newest = await readToken(published != _accepted, cancellationToken);
        var held = _held ??= newest;
        var isProof = KeyOf(newest) != KeyOf(held);
        if (!isProof)
        {
            // The same key signed it: it is as trusted as the one before, and lives longer.
            held = _held = newest;
        }

        var attempt = $"{KeyOf(newest)} {published}";
        if ((published == _accepted && !isProof && time.GetElapsedTime(_acceptedAt) < ConfirmEvery)
            || (attempt == _tried && time.GetElapsedTime(_triedAt) < RepeatAfter))
        {
            return null;
        }

        var answer = await push(held, Body(keys, isProof ? newest : null), cancellationToken);
        if (answer.State is null && isProof)
        {
            // The held one may have expired, and an admin may have approved the new key meanwhile.
            answer = await push(newest, Body(keys, null), cancellationToken);
        }

        Note(answer, published, newest, attempt);
        return answer;
    }

    public static JsonObject Body(JsonObject keys, string? proof)
    {
        var body = new JsonObject { ["jwks"] = keys.DeepClone() };
        if (proof is not null)
        {
            body["proof"] = proof;
        }

        return body;
    }

    private void Note(PushAnswer answer, string published, string newest, string attempt)
    {
        if (answer.State == Accepted)
        {
            (_held, _accepted, _acceptedAt, _tried) = (newest, published, time.GetTimestamp(), "");
        }
        else
        {
            // Said again when something changes, and now and then: not with each look.
            (_tried, _triedAt) = (attempt, time.GetTimestamp());
        }
    }

    private static string? KeyOf(string token) => UnverifiedToken.Parse(token).TryGet(out var parsed, out _) ? parsed.KeyId : null;
}
