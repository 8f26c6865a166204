using System.Text;
using Lanyard.Identity.Jose;
using Lanyard.Protocol.Aws;

namespace Lanyard.Credentials.Aws;

/// <summary>
/// The bearer that EKS takes: <c>k8s-aws-v1.</c> and a signed GetCallerIdentity request, bound to the cluster by a signed header. The API server
/// makes that request itself, and so learns whose signature it is.
/// </summary>
internal static class EksToken
{
    private const int SignatureSeconds = 60;

    /// <summary>How long the API server takes it: 15 minutes from its signature, less one for clocks.</summary>
    public static readonly TimeSpan Life = TimeSpan.FromMinutes(14);

    public static string Create(AwsCredentials credentials, Uri sts, string region, string cluster, DateTimeOffset now)
    {
        var query = new SigV4(credentials, region, "sts", now).Presign(
            "GET", sts.Authority, "/", [new("Action", "GetCallerIdentity"), new("Version", "2011-06-15")], [new("x-k8s-aws-id", cluster)], SignatureSeconds);
        return "k8s-aws-v1." + Base64Url.Encode(Encoding.UTF8.GetBytes($"{sts.GetLeftPart(UriPartial.Authority)}/?{query}"));
    }
}
