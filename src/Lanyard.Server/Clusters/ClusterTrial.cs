using System.Globalization;
using Lanyard.Identity;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Http;

namespace Lanyard.Server.Clusters;

/// <summary>
/// Judges a cluster's trial token against exactly the record that would be stored, and tells every line of the report whatever the others say.
/// Pure: keys and time come in, nothing is remembered. The lines explain; the chain itself (<see cref="TokenVerifier"/>) has the last word.
/// </summary>
internal sealed class ClusterTrial(TokenVerifier verifier, TimeProvider time, string instanceUrl)
{
    /// <summary>A trial token must be fresh: who has an old one has not shown control of the cluster now.</summary>
    public static readonly TimeSpan MaxAge = TimeSpan.FromHours(1);

    /// <summary>So many keys are named in a line.</summary>
    private const int MostNamed = 5;

    /// <param name="keys">Of the record; or why they can't be had.</param>
    /// <param name="signed">Whether the token was signed by one of them: only then is it worth remembering as used.</param>
    public TrialReport Judge(ClusterSpec spec, Outcome<KeySet> keys, string token, out bool signed)
    {
        signed = false;
        var parsed = UnverifiedToken.Parse(token);
        if (parsed.IsRefused)
        {
            return Report([new TrialLine("token", false, RefusalText.Of(parsed.Refusal.Reason), "a token of the runner's service account")]);
        }

        var unverified = parsed.Value;
        List<TrialLine> lines =
        [
            Line("issuer", unverified.Issuer == spec.Issuer, unverified.Issuer, spec.Issuer),
            Keys(spec, keys, unverified, out signed),
            Audience(unverified.Claims),
            Subject(unverified.Claims, spec.Runner.Subject),
            Clock(unverified.Claims),
            Life(unverified.Claims),
        ];
        if (lines.TrueForAll(line => line.Ok) && Verify(unverified, Record(spec), keys.Value) is { } refusal)
        {
            lines.Insert(0, new TrialLine("token", false, RefusalText.Of(refusal.Reason), "a token that passes the whole chain"));
        }

        return Report(lines);
    }

    /// <summary>The trust record that a cluster's spec stands for.</summary>
    public static TrustedIssuer Record(ClusterSpec spec) => new()
    {
        Id = "trial",
        Issuer = spec.Issuer,
        Keys = spec.Keys.Jwks is null ? KeySource.Discovery : KeySource.Uploaded,
    };

    public static TrialReport Report(IReadOnlyList<TrialLine> lines) => new(lines.All(line => line.Ok), lines);

    private Refusal? Verify(UnverifiedToken token, TrustedIssuer record, KeySet keys)
    {
        var outcome = verifier.Verify(token, record, keys, new VerifyOptions { DefaultAudience = instanceUrl });
        return outcome.IsRefused ? outcome.Refusal : null;
    }

    private TrialLine Keys(ClusterSpec spec, Outcome<KeySet> keys, UnverifiedToken token, out bool signed)
    {
        signed = false;
        if (keys.IsRefused)
        {
            return new TrialLine("keys", false, RefusalText.Of(keys.Refusal.Reason), "keys that can be fetched from the issuer, or are uploaded");
        }

        // Of this record only the signature is looked at here: a foreign issuer string must not hide whether the keys fit.
        var refusal = Verify(token, Record(spec) with { Issuer = token.Issuer }, keys.Value);
        signed = refusal is null || refusal.Stage > Stage.Signature;
        var source = spec.Keys.Jwks is null ? "fetched" : "uploaded";
        var count = keys.Value.Keys.Count.ToString(CultureInfo.InvariantCulture);
        return signed
            ? new TrialLine("keys", true, $"{count} {source}, the token is signed by {token.KeyId ?? "one of them"}{NotTried(keys.Value, token)}")
            : new TrialLine("keys", false, $"{count} {source}: {RefusalText.Of(refusal!.Reason)}", $"the key that signed the token ({token.KeyId ?? "no kid"}) among them");
    }

    /// <summary>One token shows one key. The others are believed because they came with it: whoever reads the report is told which they are.</summary>
    private static string NotTried(KeySet keys, UnverifiedToken token)
    {
        if (token.KeyId is null) return keys.Keys.Count > 1 ? ", the others are not tried" : "";
        var others = keys.Keys.Select(static key => key.KeyId ?? key.Thumbprint).Where(name => name != token.KeyId).ToList();
        if (others.Count == 0) return "";
        var more = others.Count > MostNamed ? $" and {(others.Count - MostNamed).ToString(CultureInfo.InvariantCulture)} more" : "";
        return $"; not tried: {string.Join(", ", others.Take(MostNamed))}{more}";
    }

    private TrialLine Audience(ClaimSet claims)
    {
        var audiences = claims.TryGetStrings(ClaimNames.Audience, out var values) ? values : [];
        return Line("audience", audiences.Contains(instanceUrl, StringComparer.Ordinal), audiences.Count == 0 ? "none" : string.Join(", ", audiences), instanceUrl);
    }

    private static TrialLine Subject(ClaimSet claims, string wanted)
    {
        var subject = claims.TryGetString(ClaimNames.Subject, out var text) ? text : "none";
        return Line("subject", subject == wanted, subject, wanted);
    }

    private TrialLine Clock(ClaimSet claims)
    {
        if (!TryGetTime(claims, ClaimNames.IssuedAt, out var issued))
        {
            return new TrialLine("clock", false, "no iat", "a token that says when it was issued");
        }

        var age = time.GetUtcNow() - issued;
        return age < -TokenVerifier.MaxClockSkew
            ? new TrialLine("clock", false, $"issued {Seconds(-age)} in the future", "the cluster's clock and this one at most 60 s apart")
            : Line("clock", age <= MaxAge, age < TimeSpan.Zero ? $"issued now, the cluster's clock is {Seconds(-age)} ahead" : $"issued {Seconds(age)} ago", $"a fresh token, at most {Seconds(MaxAge)} old");
    }

    private TrialLine Life(ClaimSet claims)
    {
        if (!TryGetTime(claims, ClaimNames.ExpiresAt, out var expires))
        {
            return new TrialLine("life", false, "no exp", "a token that expires");
        }

        if (expires <= time.GetUtcNow())
        {
            return new TrialLine("life", false, $"expired {Seconds(time.GetUtcNow() - expires)} ago", "a token that is still valid");
        }

        var life = TryGetTime(claims, ClaimNames.IssuedAt, out var issued) ? expires - issued : expires - time.GetUtcNow();
        return Line("life", life <= TrustedIssuer.DefaultMaxLifetime, Seconds(life), $"at most {Seconds(TrustedIssuer.DefaultMaxLifetime)}");
    }

    /// <summary>Times outside of what a date can hold are none.</summary>
    private static bool TryGetTime(ClaimSet claims, string name, out DateTimeOffset at)
    {
        at = default;
        const long Year9999 = 253402300799;
        if (!claims.TryGetInt64(name, out var seconds) || seconds is < 0 or > Year9999)
        {
            return false;
        }

        at = DateTimeOffset.FromUnixTimeSeconds(seconds);
        return true;
    }

    private static TrialLine Line(string name, bool ok, string seen, string wanted) => new(name, ok, seen, ok ? null : wanted);

    private static string Seconds(TimeSpan span) => $"{span.TotalSeconds.ToString("0", CultureInfo.InvariantCulture)} s";
}
