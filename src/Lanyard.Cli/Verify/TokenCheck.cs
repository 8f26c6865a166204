using System.Text.Json.Nodes;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Tokens;

namespace Lanyard.Cli.Verify;

/// <summary>
/// A relying party's check of a token, knowing nothing but the issuer's URL and the audience: discovery and key set come over HTTP, the rest is the
/// chain of docs/security-model.md.
/// </summary>
internal sealed class TokenCheck(string issuer, string audience, TimeProvider time)
{
    private readonly TokenVerifier _verifier = new(time);
    private readonly KeySetCache _keys = new(KeyKeeping.None, new DiscoveryClient(time).FetchAsync, time);

    private readonly TrustedIssuer _record = new()
    {
        Id = "relying-party",
        Issuer = issuer,
        Audiences = [audience],
        // Only where the person who typed the URL meant this host.
        AllowPrivateAddresses = Uri.TryCreate(issuer, UriKind.Absolute, out var url) && url.IsLoopback,
    };

    public async Task<JsonObject> CheckAsync(string token, CancellationToken cancellationToken)
    {
        var parsed = UnverifiedToken.Parse(token);
        var judged = parsed.TryGet(out var unverified, out var refusal)
            ? await _verifier.JudgeAsync(unverified, [_record], _keys.GetAsync, new VerifyOptions { DefaultAudience = audience }, null, cancellationToken)
            : refusal;
        if (!judged.TryGet(out var verified, out refusal))
            return new JsonObject { ["verified"] = false, ["issuer"] = issuer, ["audience"] = audience, ["refusal"] = refusal.ToString() };
        return new JsonObject
        {
            ["verified"] = true,
            ["issuer"] = verified.Issuer,
            ["audience"] = audience,
            ["subject"] = verified.Subject,
            ["claims"] = JsonNode.Parse(verified.Claims.ToJson()),
        };
    }
}
