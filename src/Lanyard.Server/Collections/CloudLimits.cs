using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Aws;
using Lanyard.Protocol.Azure;
using Lanyard.Protocol.Resources;

namespace Lanyard.Server.Collections;

/// <summary>
/// What a cloud would refuse in the tokens for an audience. Limits are the clouds' own: subjects of 6 to 255 characters for AWS, 127 bytes for Google, one exact subject and RS256 for
/// Azure; issuers that they can fetch. Whose an audience is, is told by its usual names, or by the <c>cloud</c> block that asks for it: AWS and Google take whatever they were told.
/// </summary>
internal static class CloudLimits
{
    /// <param name="subject">As long as a run's would be.</param>
    /// <param name="varies">What is in it that is another in every run.</param>
    public static IEnumerable<SubjectProblem> Judge(string audience, CloudSpec? cloud, string issuer, string subject, string algorithm, IReadOnlyList<string> varies)
    {
        var url = new Uri(issuer);
        if (IsOfAws(audience, cloud))
        {
            if (url.Scheme != Uri.UriSchemeHttps || !url.IsDefaultPort) yield return new("AWS", "takes an issuer of https without a port only");
            if (issuer.Length > 255) yield return new("AWS", $"takes issuers of at most 255 characters, this one has {issuer.Length}");
            if (subject.Length < 6) yield return new("AWS", $"takes subjects of 6 characters at least, this one has {subject.Length}");
        }

        if (IsOfGoogle(audience, cloud))
        {
            if (url.Scheme != Uri.UriSchemeHttps) yield return new("Google Cloud", "takes an issuer of https only");
            if (subject.Length > SubjectTemplate.MaxLengthForGoogle) yield return new("Google Cloud", $"takes subjects of {SubjectTemplate.MaxLengthForGoogle} bytes at most, this one has {subject.Length}");
        }

        if (IsOfAzure(audience, cloud))
        {
            if (url.Scheme != Uri.UriSchemeHttps) yield return new("Azure", "takes an issuer of https only");
            if (algorithm != "RS256") yield return new("Azure", $"takes RS256 only, not {algorithm}");
            if (varies.Count > 0) yield return new("Azure", $"compares the whole subject exactly, and {string.Join(" and ", varies)} is another in every run");
        }
    }

    public static bool IsOfGoogle(string audience, CloudSpec? cloud) =>
        audience.Contains("iam.googleapis.com", StringComparison.Ordinal) || (cloud?.Gcp is { } gcp && CloudRules.AudienceOf(gcp) == audience);

    private static bool IsOfAws(string audience, CloudSpec? cloud) =>
        audience is AwsPartition.Audience or AwsPartition.AudienceInChina || (cloud?.Aws is { } aws && CloudRules.AudienceOf(aws) == audience);

    private static bool IsOfAzure(string audience, CloudSpec? cloud) => AzureCloud.IsAudience(audience) || (cloud?.Azure is { } azure && CloudRules.AudienceOf(azure) == audience);
}
