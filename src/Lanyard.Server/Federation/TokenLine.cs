using Lanyard.Identity.Tokens;
using Lanyard.Server.Http;

namespace Lanyard.Server.Federation;

/// <summary>
/// From which tokens one came, oldest first, as the claim <see cref="OwnClaims.Origin"/> says it: <c>token HASH</c> and <c>key KID</c> of a workload token,
/// <c>token HASH</c> and <c>jti ID</c> of each of ours that was exchanged for the next. Who ends one of them ends what came of it.
/// </summary>
internal static class TokenLine
{
    /// <summary>So often tokens of ours are exchanged for one another. None of them outlives the first, so nobody needs many, and a token stays a header's size.</summary>
    public const int MostOwn = 8;

    private const string TokenId = "jti ";

    /// <summary>Of a workload token.</summary>
    public static IReadOnlyList<string> Of(VerifiedToken token) => [.. Spellings(token), $"{Revocations.Key} {token.KeyId}"];

    /// <summary>Of a token of ours, with itself.</summary>
    public static IReadOnlyList<string> Through(VerifiedToken token) =>
        [.. token.Claims.TryGetStrings(OwnClaims.Origin, out var before) ? before : [], .. Spellings(token), TokenId + token.TokenId];

    /// <summary>Both of them, where a token has two: it is ended by whichever hash.</summary>
    private static IEnumerable<string> Spellings(VerifiedToken token)
    {
        yield return $"{Revocations.Token} {token.Sha256}";
        if (token.TwinSha256 is { } twin) yield return $"{Revocations.Token} {twin}";
    }

    /// <summary>Whether another one may be made of it.</summary>
    public static bool IsFull(IReadOnlyList<string> line) => line.Count(static one => one.StartsWith(TokenId, StringComparison.Ordinal)) > MostOwn;

    /// <summary>The <c>jti</c> of an entry; empty where it is no token of ours.</summary>
    public static ReadOnlySpan<char> IdOf(string entry) => entry.StartsWith(TokenId, StringComparison.Ordinal) ? entry.AsSpan(TokenId.Length) : [];
}
