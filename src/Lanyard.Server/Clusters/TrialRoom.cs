using System.Security.Cryptography;
using System.Text;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Http;

namespace Lanyard.Server.Clusters;

/// <summary>A trial with what it needs from outside: keys from the issuer, and the memory that a token is good for one trial only.</summary>
internal sealed class TrialRoom(ClusterTrust trust, TimeProvider time, Instance instance)
{
    private readonly ClusterTrial _trial = new(new TokenVerifier(time), time, instance.Url);

    public async Task<TrialReport> JudgeAsync(ClusterSpec spec, string token, CancellationToken cancellationToken)
    {
        var keys = spec.Keys.Jwks is { } jwks ? KeySet.Parse(jwks.GetRawText()) : await trust.FetchKeys(ClusterTrial.Record(spec), cancellationToken);
        var report = _trial.Judge(spec, keys, token, out var signed);

        // Only what a key of the record signed is remembered: nobody else can fill the memory.
        if (!signed)
        {
            return report;
        }

        // By then the token is too old for a trial, whatever its exp.
        var until = time.GetUtcNow() + ClusterTrial.MaxAge + (2 * TokenVerifier.MaxClockSkew);
        var fresh = await trust.TryUse($"trial:{HashOf(token)}", until, cancellationToken);
        return ClusterTrial.Report([.. report.Lines, new TrialLine("once", fresh, fresh ? "not used before" : "used before", fresh ? null : "a new token for every trial")]);
    }

    public static string HashOf(string token) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token)));
}
