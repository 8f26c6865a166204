using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Lanyard.Bench.Verify;

/// <summary>Fresh keys, a token as a CI job has it for each algorithm, and the checks that .NET makes of it, each as one action.</summary>
internal sealed class VerifySubject : IDisposable
{
    private const string Issuer = "https://ci.example.com";
    private const string Audience = "kube";
    private readonly RSA _rsa = RSA.Create(2048);
    private readonly ECDsa _ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly string _jwks;
    private readonly Dictionary<string, string> _tokens;

    public VerifySubject()
    {
        using var rsaKey = SigningKey.FromPem(_rsa.ExportPkcs8PrivateKeyPem()).Value;
        using var ecKey = SigningKey.FromPem(_ec.ExportPkcs8PrivateKeyPem()).Value;
        _jwks = KeySet.Of(rsaKey.Public, ecKey.Public).ToJson();
        _tokens = new(StringComparer.Ordinal) { ["RS256"] = Mint(rsaKey), ["ES256"] = Mint(ecKey) };
        AddPrimitives();
        foreach (var (algorithm, token) in _tokens)
        {
            Checks["chain " + algorithm] = Chain(Encoding.ASCII.GetBytes(token));
            SecurityKey key = algorithm == "RS256" ? new RsaSecurityKey(_rsa.ExportParameters(false)) : new ECDsaSecurityKey(_ec);
            Checks["IdentityModel " + algorithm] = IdentityModel(token, key, algorithm);
        }
        Checks["remembered"] = Remembered(_tokens["RS256"]);
    }

    public Dictionary<string, Action> Checks { get; } = new(StringComparer.Ordinal);

    /// <summary>Keys, tokens and expectations for <c>verify.mjs</c>, in one line.</summary>
    public string ForNode() => new JsonObject
    {
        ["issuer"] = Issuer,
        ["audience"] = Audience,
        ["jwks"] = JsonNode.Parse(_jwks),
        ["pem"] = new JsonObject { ["RS256"] = _rsa.ExportSubjectPublicKeyInfoPem(), ["ES256"] = _ec.ExportSubjectPublicKeyInfoPem() },
        ["tokens"] = new JsonObject { ["RS256"] = _tokens["RS256"], ["ES256"] = _tokens["ES256"] },
    }.ToJsonString();

    public void Dispose()
    {
        _rsa.Dispose();
        _ec.Dispose();
    }

    private static string Mint(SigningKey key)
    {
        var now = TimeProvider.System.GetUtcNow();
        var claims = new TokenClaims
        {
            Issuer = Issuer, Subject = "repo:acme/shop:ref:refs/heads/main", Audiences = [Audience], IssuedAt = now, ExpiresAt = now.AddHours(1),
            TokenId = Guid.NewGuid().ToString(),
        };
        foreach (var (name, value) in (ReadOnlySpan<(string, string)>)[
            ("repository", "acme/shop"), ("repository_owner", "acme"), ("ref", "refs/heads/main"), ("ref_type", "branch"),
            ("sha", "b7f0a5e7f2d3c4b5a6978877665544332211aabb"), ("workflow", "deploy"), ("job_workflow_ref", "acme/shop/.ci/deploy.yml@refs/heads/main"),
            ("run_id", "1234567890"), ("run_number", "17"), ("run_attempt", "1"), ("actor", "octo"), ("event_name", "push"),
            ("environment", "production"), ("runner_environment", "self-hosted"), ("scope", "openid")])
        {
            claims.Set(name, value);
        }
        return TokenMint.Mint(key, TokenMint.JwtType, claims);
    }

    private void AddPrimitives()
    {
        var (rsaHash, rsaSignature) = Parts(_tokens["RS256"]);
        var (ecHash, ecSignature) = Parts(_tokens["ES256"]);
        var rsa = RSA.Create(_rsa.ExportParameters(false));
        var ec = ECDsa.Create(_ec.ExportParameters(false));
        Checks["primitive RS256"] = () => Require(rsa.VerifyHash(rsaHash, rsaSignature, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));
        Checks["primitive ES256"] = () => Require(ec.VerifyHash(ecHash, ecSignature));
    }

    private Action Chain(byte[] token)
    {
        var keys = KeySet.Parse(_jwks).Value;
        TrustedIssuer[] records = [new() { Id = "ti_bench", Issuer = Issuer, Audiences = [Audience], Keys = KeySource.Uploaded }];
        KeyLookup lookup = (_, _, _) => ValueTask.FromResult<Lanyard.Identity.Outcome<KeySet>>(keys);
        var verifier = new TokenVerifier(TimeProvider.System);
        var options = new VerifyOptions { DefaultAudience = Audience };
        return () =>
        {
            var judged = verifier.JudgeAsync(UnverifiedToken.Parse(token).Value, records, lookup, options);
            Require(judged.IsCompletedSuccessfully && !judged.Result.IsRefused);
        };
    }

    private static Action IdentityModel(string token, SecurityKey key, string algorithm)
    {
        var handler = new JsonWebTokenHandler();
        var expected = new TokenValidationParameters
        {
            ValidIssuer = Issuer, ValidAudience = Audience, IssuerSigningKey = key, ValidAlgorithms = [algorithm], RequireExpirationTime = true,
        };
        return () => Require(handler.ValidateToken(token, expected).IsValid);
    }

    /// <summary>As the door does it: hash the text, look it up.</summary>
    private static Action Remembered(string token)
    {
        var remembered = new RememberedTokens<string>(100_000, TimeProvider.System);
        remembered.Remember(TokenHash.Of(token.AsSpan()), "known", TimeProvider.System.GetUtcNow().AddHours(1), remembered.Epoch);
        return () => Require(remembered.TryGet(TokenHash.Of(token.AsSpan()), out _));
    }

    private static (byte[] Hash, byte[] Signature) Parts(string token)
    {
        var end = token.LastIndexOf('.');
        return (SHA256.HashData(Encoding.ASCII.GetBytes(token[..end])), System.Buffers.Text.Base64Url.DecodeFromChars(token.AsSpan(end + 1)));
    }

    private static void Require(bool isGood)
    {
        if (!isGood)
            throw new InvalidOperationException("a good token was refused");
    }
}
