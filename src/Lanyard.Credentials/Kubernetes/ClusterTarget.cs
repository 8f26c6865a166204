using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Lanyard.Protocol.Aws;

namespace Lanyard.Credentials.Kubernetes;

/// <summary>The cluster that a command is for: a cluster proxy by its URL, or an EKS cluster by region and role.</summary>
/// <param name="Server">Null for EKS, which tells its own address.</param>
/// <param name="Authority">PEM; null where the system's own authorities are trusted.</param>
/// <param name="AssumedRoleArn">A second role, which the first takes on (AssumeRole) and which the cluster knows, such as one of the cluster's account; null: the cluster knows the first.</param>
internal sealed record ClusterTarget(string Name, Uri? Server, string? Authority, string Audience, string? Region, string? RoleArn, string? AssumedRoleArn = null)
{
    public static readonly string[] Options = ["--cluster", "--clusters", "--server", "--certificate-authority", "--audience", "--eks!", "--region", "--role-arn", AssumeRole];

    public const string AssumeRole = "--assume-role-arn";

    /// <summary>
    /// Options win over the environment, and that over the file of clusters (<c>--clusters</c>, <c>LANYARD_CLUSTERS</c>):
    /// <c>{"NAME": {"server": …, "certificateAuthority": FILE, "audience": …, "region": …, "roleArn": …}}</c>. Null with mistakes noted.
    /// </summary>
    public static ClusterTarget? Resolve(Words words, Func<string, string?> environment)
    {
        var name = words.Text("--cluster", environment, "LANYARD_CLUSTER", "CLUSTER_NAME");
        if (name is null)
        {
            words.Mistakes.Add("--cluster is needed (or CLUSTER_NAME)");
            return null;
        }

        var listed = Listed(words, environment, name);
        var server = words.Text("--server", environment, "LANYARD_CLUSTER_SERVER") ?? listed.GetValueOrDefault("server");
        var role = words.Text("--role-arn", environment) ?? listed.GetValueOrDefault("roleArn") ?? words.Text("--role-arn", environment, "AWS_OIDC_ROLE_ARN", "AWS_ROLE_ARN");
        var eks = words.Has("--eks") || (server is null && role is not null);
        var audience = words.Text("--audience", environment, "LANYARD_CLUSTER_AUDIENCE") ?? listed.GetValueOrDefault("audience");
        if (words.Has(AssumeRole) && !eks) words.Mistakes.Add($"{AssumeRole} (ROLE_ARN) is for EKS: a cluster proxy takes the pipeline's own token");
        return eks ? OfEks(words, name, role, listed.GetValueOrDefault("region") is { } r && !words.Has("--region") ? r : words.Text("--region", environment, "AWS_DEFAULT_REGION", "AWS_REGION"), audience)
            : OfProxy(words, name, server, words.Text("--certificate-authority", environment, "LANYARD_CLUSTER_CA_FILE") ?? listed.GetValueOrDefault("certificateAuthority"), audience);
    }

    private static ClusterTarget? OfProxy(Words words, string name, string? server, string? authorityFile, string? audience)
    {
        // No credential ever goes to a place that could read it on the way: https only.
        if (!Uri.TryCreate(server, UriKind.Absolute, out var uri) || uri.Scheme != Uri.UriSchemeHttps || uri.UserInfo.Length > 0 || uri.Query.Length > 0)
        {
            words.Mistakes.Add("--server must be the cluster proxy's https URL (or LANYARD_CLUSTER_SERVER, or the cluster's entry in --clusters); for EKS say --role-arn");
            return null;
        }

        var authority = authorityFile is null ? null : ReadAuthority(words, authorityFile);
        return new ClusterTarget(name, uri, authority, audience ?? uri.GetLeftPart(UriPartial.Authority), null, null);
    }

    private static ClusterTarget? OfEks(Words words, string name, string? role, string? region, string? audience)
    {
        if (!AwsNames.IsRole(role))
        {
            words.Mistakes.Add("--role-arn must be an IAM role's ARN (or AWS_OIDC_ROLE_ARN)");
        }

        if (!AwsNames.IsRegion(region))
        {
            words.Mistakes.Add("--region must be an AWS region such as eu-central-1 (or AWS_DEFAULT_REGION)");
        }

        if (!AwsNames.IsCluster(name))
        {
            words.Mistakes.Add("--cluster must be an EKS cluster's name");
        }

        var assumed = words.Text(AssumeRole, static _ => null);
        if (assumed is not null && !AwsNames.IsRole(assumed))
        {
            words.Mistakes.Add($"{AssumeRole} must be an IAM role's ARN (or ROLE_ARN)");
        }

        return words.Mistakes.Count > 0 ? null : new ClusterTarget(name, null, null, audience ?? AwsPartition.AudienceOf(role), region, role, assumed);
    }

    private static string? ReadAuthority(Words words, string file)
    {
        try
        {
            // Only certificates are taken on: a private key that lies in the same file stays there.
            var found = new X509Certificate2Collection();
            found.ImportFromPemFile(file);
            if (found.Count > 0)
            {
                return string.Concat(found.Select(static certificate => certificate.ExportCertificatePem() + "\n"));
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or CryptographicException)
        {
        }

        words.Mistakes.Add("--certificate-authority must be a readable PEM file of certificates");
        return null;
    }

    private static Dictionary<string, string> Listed(Words words, Func<string, string?> environment, string name)
    {
        if (words.Text("--clusters", environment, "LANYARD_CLUSTERS") is not { } file)
        {
            return [];
        }

        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(file));
            if (!document.RootElement.TryGetProperty(name, out var entry))
            {
                words.Mistakes.Add("--cluster is not in the file of clusters");
                return [];
            }

            string[] known = ["server", "certificateAuthority", "audience", "region", "roleArn"];
            words.Mistakes.AddRange(entry.EnumerateObject().Where(m => !known.Contains(m.Name)).Select(static _ => "the cluster's entry has an unknown member"));
            return entry.EnumerateObject().ToDictionary(static m => m.Name, static m => m.Value.GetString() ?? "");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException or ArgumentException)
        {
            words.Mistakes.Add("--clusters must be a readable JSON file: an object of clusters, each an object of texts");
            return [];
        }
    }
}
