using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Runtime;

namespace Lanyard.Cli.Runner.Endpoint;

/// <summary>
/// What a step shows at the cache listener. It looks like a runtime token, because BuildKit's client reads <c>ac</c>, <c>exp</c> and <c>nbf</c> from it and the
/// artifact client <c>scp</c>; its signature is 256 random bits that only the listener knows, so that it is worth nothing anywhere else.
/// </summary>
internal sealed class CachePass
{
    private static readonly string Header = Encode("""{"alg":"HS256","typ":"JWT"}""");

    /// <param name="now">It is said to be valid from here for a day; the attempt's end is what ends it.</param>
    public CachePass(AttemptKey key, IReadOnlyList<CacheScope> scopes, DateTimeOffset now)
    {
        Secret = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        Text = $"{Header}.{Encode(Claims(key, scopes, now))}.{Secret}";
        Hash = TokenHash.Of(Text.AsSpan());
    }

    public string Text { get; }

    /// <summary>The part that makes it what it is.</summary>
    public string Secret { get; }

    public TokenHash Hash { get; }

    /// <summary>The pass itself never shows.</summary>
    public override string ToString() => "(pass)";

    private static string Claims(AttemptKey key, IReadOnlyList<CacheScope> scopes, DateTimeOffset now)
    {
        using var access = new MemoryStream();
        using (var writer = new Utf8JsonWriter(access))
        {
            writer.WriteStartArray();
            foreach (var scope in scopes)
            {
                writer.WriteStartObject();
                writer.WriteString("Scope", scope.Scope);
                writer.WriteNumber("Permission", CacheScope.BitsOf(scope.Permission));
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }

        using var claims = new MemoryStream();
        using (var writer = new Utf8JsonWriter(claims))
        {
            writer.WriteStartObject();
            writer.WriteString("sub", key.ToString());
            writer.WriteNumber("nbf", now.ToUnixTimeSeconds());
            writer.WriteNumber("exp", now.AddDays(1).ToUnixTimeSeconds());
            writer.WriteString("ac", Encoding.UTF8.GetString(access.ToArray()));
            writer.WriteString("scp", $"Actions.Results:{key.Run}:{key.Run}");
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(claims.ToArray());
    }

    private static string Encode(string text) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));
}
