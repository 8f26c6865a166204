using Lanyard.Identity.Tokens;
using Lanyard.Identity.Trust;

namespace Lanyard.Bench.Federation;

/// <summary>Conditions as people write them, over the claims of a job of GitHub's; each is true.</summary>
internal static class Conditions
{
    private const string Claims =
        """
        {"iss":"https://token.actions.githubusercontent.com","sub":"repo:acme@1/shop@2:ref:refs/heads/main","aud":"https://lanyard.example","iat":1764400000,"exp":1764400300,
        "repository":"acme/shop","repository_id":"1296269","repository_owner":"acme","repository_owner_id":"9919","ref":"refs/heads/main","ref_type":"branch","event_name":"push",
        "environment":"production","workflow":"deploy","job_workflow_ref":"acme/shop/.github/workflows/deploy.yml@refs/heads/main","run_id":"1234567890","run_attempt":"1",
        "runner_environment":"self-hosted","sha":"b7f0a5e7f2d3c4b5a6978877665544332211aabb"}
        """;

    public static Dictionary<string, Action> All { get; } = new(StringComparer.Ordinal)
    {
        ["typical"] = Check("claims.repository_owner_id == '9919' && claims.ref.startsWith('refs/heads/')"),
        ["a choice of environments"] = Check("claims.repository_id == '1296269' && claims.environment in ['staging', 'production'] && claims.event_name != 'pull_request'"),
    };

    private static Action Check(string text)
    {
        var mistakes = new List<PolicyMistake>();
        var condition = CelCondition.Read(text, "condition", mistakes) ?? throw new InvalidOperationException(string.Join("; ", mistakes));
        var claims = ClaimSet.Parse(Claims).Value;
        return () =>
        {
            if (condition.Mismatch(claims) is { } mismatch)
                throw new InvalidOperationException(mismatch);
        };
    }
}
