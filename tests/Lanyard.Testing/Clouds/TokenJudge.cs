using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Lanyard.Testing.Clouds;

/// <summary>What is wrong with a token, in the words that each cloud turns into its own.</summary>
public enum TokenMistake
{
    Malformed,
    Algorithm,
    Keys,
    Signature,
    Issuer,
    Audience,
    Time,
    Subject,
}

public sealed record JudgedToken(string Subject, string Audience, TokenMistake? Mistake = null, string Text = "");

/// <summary>
/// A relying party of our issuers, written from what the clouds document and sharing no code with Lanyard: discovery, JWKS, algorithm, signature,
/// issuer, audience, time, subject.
/// </summary>
/// <param name="http">To the issuer; null: what the system trusts.</param>
public sealed class TokenJudge(string issuer, IReadOnlyList<string> algorithms, HttpClient? http = null)
{
    private static readonly HttpClient s_http = new() { Timeout = TimeSpan.FromSeconds(60) };

    private readonly HttpClient _http = http ?? s_http;

    public string Issuer => issuer;

    public async Task<JudgedToken> JudgeAsync(string token, IReadOnlyCollection<string> audiences, Func<string, bool> subjectMatches)
    {
        var parts = token.Split('.');
        if (parts.Length != 3 || token.Length is < 4 or > 20_000) return Wrong(TokenMistake.Malformed, "three segments, at most 20000 characters");
        using var header = JsonDocument.Parse(Base64Url.DecodeFromChars(parts[0]));
        using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(parts[1]));
        var algorithm = header.RootElement.GetProperty("alg").GetString()!;
        if (!algorithms.Contains(algorithm)) return Wrong(TokenMistake.Algorithm, algorithm);
        if (Text(claims, "iss") != issuer) return Wrong(TokenMistake.Issuer, Text(claims, "iss"));
        if (claims.RootElement.GetProperty("aud") is not { ValueKind: JsonValueKind.String } aud || !audiences.Contains(aud.GetString()!))
            return Wrong(TokenMistake.Audience, Text(claims, "aud"));
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        if (Number(claims, "exp") <= now || Number(claims, "iat") > now + 5) return Wrong(TokenMistake.Time, $"{Number(claims, "exp")} at {now}");
        if (await FindKeyAsync(header.RootElement.GetProperty("kid").GetString()!) is not { } key) return Wrong(TokenMistake.Keys, "no such key");
        if (!IsSigned(algorithm, key, $"{parts[0]}.{parts[1]}", Base64Url.DecodeFromChars(parts[2]))) return Wrong(TokenMistake.Signature, "signature");
        var subject = Text(claims, "sub");
        return subjectMatches(subject) ? new JudgedToken(subject, aud.GetString()!) : Wrong(TokenMistake.Subject, subject);
    }

    private static JudgedToken Wrong(TokenMistake mistake, string text) => new("", "", mistake, text);

    private static string Text(JsonDocument claims, string name) => claims.RootElement.TryGetProperty(name, out var value) ? value.ToString() : "";

    private static long Number(JsonDocument claims, string name) => claims.RootElement.GetProperty(name).GetInt64();

    private async Task<JsonElement?> FindKeyAsync(string kid)
    {
        using var discovery = JsonDocument.Parse(await _http.GetStringAsync(new Uri(issuer + "/.well-known/openid-configuration")));
        if (discovery.RootElement.GetProperty("issuer").GetString() != issuer) return null;
        using var keys = JsonDocument.Parse(await _http.GetStringAsync(new Uri(discovery.RootElement.GetProperty("jwks_uri").GetString()!)));
        foreach (var key in keys.RootElement.GetProperty("keys").EnumerateArray())
        {
            if (key.GetProperty("kid").GetString() == kid) return key.Clone();
        }

        return null;
    }

    private static bool IsSigned(string algorithm, JsonElement key, string input, byte[] signature)
    {
        byte[] Bytes(string name) => Base64Url.DecodeFromChars(key.GetProperty(name).GetString());
        if (algorithm == "RS256")
        {
            using var rsa = RSA.Create(new RSAParameters { Modulus = Bytes("n"), Exponent = Bytes("e") });
            return rsa.VerifyData(Encoding.ASCII.GetBytes(input), signature, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        }

        using var ec = ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = Bytes("x"), Y = Bytes("y") } });
        return ec.VerifyData(Encoding.ASCII.GetBytes(input), signature, HashAlgorithmName.SHA256);
    }
}
