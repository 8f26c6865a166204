using System.Text.RegularExpressions;
using Lanyard.ClusterProxy.Configuration;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary>
/// The API server's rule for names made of <c>claims.email</c>: whoever writes such an expression must look at <c>claims.email_verified</c> in it, in
/// an extra or in a claim rule, because an unverified address is anybody's.
/// </summary>
internal static partial class MailRule
{
    public static void Check(YamlMap? mappings, UserExpressions expressions, IEnumerable<ExpressionRule> claimRules)
    {
        if (expressions.Username is not { } username || !Mail().IsMatch(username.Text))
        {
            return;
        }

        var texts = expressions.Extras.Select(e => e.Value.Text).Concat(claimRules.Select(r => r.Condition.Text)).Append(username.Text);
        if (!texts.Any(t => Verified().IsMatch(t)))
        {
            mappings!.Wrong("username.expression", "uses claims.email: claims.email_verified must be used in it, in extra[*].valueExpression or in claimValidationRules[*].expression");
        }
    }

    [GeneratedRegex("""claims\s*(\.\s*\??\s*email|\[\s*\??\s*r?["']+email["']+\s*\])(?![A-Za-z0-9_])""")]
    private static partial Regex Mail();

    [GeneratedRegex("""claims\s*(\.\s*\??\s*email_verified|\[\s*\??\s*r?["']+email_verified["']+\s*\])(?![A-Za-z0-9_])""")]
    private static partial Regex Verified();
}
