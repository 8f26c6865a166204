using System.Text.RegularExpressions;
using Lanyard.Protocol.Aws;
using Lanyard.Protocol.Azure;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Http;

namespace Lanyard.Server.Collections;

/// <summary>
/// What a <c>cloud</c> block must be like, and which one is in force. Its texts go into files and variables of the run's tools, so each has a
/// narrow form: none can end a quotation or begin another member.
/// </summary>
internal static partial class CloudRules
{
    private const int MaxCertificate = 65_536;

    public static void Check(CloudSpec? cloud, string path, List<Mistake> mistakes)
    {
        CheckAws(cloud?.Aws, $"{path}.aws", mistakes);
        CheckGcp(cloud?.Gcp, $"{path}.gcp", mistakes);
        CheckAzure(cloud?.Azure, $"{path}.azure", mistakes);
        CheckVault(cloud?.Vault, $"{path}.vault", mistakes);
        CheckKubernetes(cloud?.Kubernetes, $"{path}.kubernetes", mistakes);
    }

    /// <summary>The definition's blocks stand before the collection's.</summary>
    public static CloudSpec? InForce(CloudSpec? collection, CloudSpec? definition)
    {
        var merged = new CloudSpec(
            definition?.Aws ?? collection?.Aws,
            definition?.Gcp ?? collection?.Gcp,
            definition?.Azure ?? collection?.Azure,
            definition?.Vault ?? collection?.Vault,
            definition?.Kubernetes ?? collection?.Kubernetes);
        return merged == new CloudSpec() ? null : merged;
    }

    public static string AudienceOf(AwsSpec aws) => aws.Audience ?? AwsPartition.AudienceOf(aws.RoleArn);

    public static string AudienceOf(GcpSpec gcp) => gcp.Audience ?? $"https://iam.googleapis.com/{gcp.Provider}";

    public static string AudienceOf(AzureSpec azure) => azure.Audience ?? AzureCloud.AudienceOf(azure.AuthorityHost);

    public static string AudienceOf(VaultSpec vault) => vault.Audience ?? vault.Address;

    /// <summary>For whom runs with this block may have identity tokens, besides what the definition lists.</summary>
    public static IEnumerable<string> AudiencesOf(CloudSpec? cloud) =>
        new[]
        {
            cloud?.Aws is { } aws ? AudienceOf(aws) : null,
            cloud?.Gcp is { } gcp ? AudienceOf(gcp) : null,
            cloud?.Azure is { } azure ? AudienceOf(azure) : null,
            cloud?.Vault is { } vault ? AudienceOf(vault) : null,
            cloud?.Kubernetes?.Audience,
        }.OfType<string>();

    private static void CheckAws(AwsSpec? aws, string path, List<Mistake> mistakes)
    {
        const string arn = "must be the ARN of an IAM role";
        Check(aws?.RoleArn, RoleArn, arn, $"{path}.roleArn", mistakes);
        Check(aws?.PlanRoleArn, RoleArn, arn, $"{path}.planRoleArn", mistakes);
        Check(aws?.Region, Region, "must be a region such as eu-central-1", $"{path}.region", mistakes);
        Check(aws?.SessionName, SessionName, "must be 2 to 64 letters, digits and _ + = , . @ -", $"{path}.sessionName", mistakes);
        TextRules.CheckAudience(aws?.Audience, $"{path}.audience", mistakes);
        CheckOneOf(aws?.Credentials, "file", "endpoint", $"{path}.credentials", mistakes);
        CheckUrl(aws?.StsEndpoint, $"{path}.stsEndpoint", mistakes);
        if (aws is not null)
            CheckPartition(aws, path, mistakes);
    }

    /// <summary>Partitions trust each other in nothing: a role of one is not known to the STS of another.</summary>
    private static void CheckPartition(AwsSpec aws, string path, List<Mistake> mistakes)
    {
        var role = AwsPartition.OfArn(aws.RoleArn);
        if (AwsPartition.OfArn(aws.PlanRoleArn) is { } plan && plan != role)
            mistakes.Add(new Mistake($"{path}.planRoleArn", $"is of the partition {plan}, roleArn of {role}: one block is of one partition"));
        if (aws.Region is { } region && AwsPartition.OfRegion(region) is { } there && there != role)
            mistakes.Add(new Mistake($"{path}.region", $"{region} is in the partition {there}, the role in {role}"));
        if (aws is { Credentials: "endpoint", StsEndpoint: null } && AwsPartition.StsHostOf(aws.RoleArn) is null && RoleArn().IsMatch(aws.RoleArn))
            mistakes.Add(new Mistake($"{path}.stsEndpoint", $"is wanted for a role of {role}: where its STS is, is not known here"));
    }

    private static void CheckGcp(GcpSpec? gcp, string path, List<Mistake> mistakes)
    {
        const string account = "must be the e-mail address of a service account";
        Check(
            gcp?.Provider, Provider, "must be projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER", $"{path}.provider", mistakes);
        Check(gcp?.ServiceAccount, ServiceAccount, account, $"{path}.serviceAccount", mistakes);
        Check(gcp?.PlanServiceAccount, ServiceAccount, account, $"{path}.planServiceAccount", mistakes);
        Check(gcp?.Project, Project, "must be a project id", $"{path}.project", mistakes);
        TextRules.CheckAudience(gcp?.Audience, $"{path}.audience", mistakes);
        CheckOneOf(gcp?.Source, "file", "url", $"{path}.source", mistakes);
        CheckUrl(gcp?.StsEndpoint, $"{path}.stsEndpoint", mistakes);
        CheckUrl(gcp?.IamEndpoint, $"{path}.iamEndpoint", mistakes);
    }

    private static void CheckAzure(AzureSpec? azure, string path, List<Mistake> mistakes)
    {
        foreach (var (value, name) in ((string?, string)[])[
            (azure?.TenantId, "tenantId"), (azure?.ClientId, "clientId"), (azure?.PlanClientId, "planClientId"), (azure?.SubscriptionId, "subscriptionId")])
        {
            if (value is not null && !Guid.TryParseExact(value, "D", out _))
            {
                mistakes.Add(new Mistake($"{path}.{name}", "must be a hyphenated UUID"));
            }
        }

        TextRules.CheckAudience(azure?.Audience, $"{path}.audience", mistakes);
        CheckUrl(azure?.AuthorityHost, $"{path}.authorityHost", mistakes);
    }

    private static void CheckVault(VaultSpec? vault, string path, List<Mistake> mistakes)
    {
        const string word = "must be 1 to 128 letters, digits and _ . / -";
        CheckUrl(vault?.Address, $"{path}.address", mistakes);
        Check(vault?.Role, Word, word, $"{path}.role", mistakes);
        Check(vault?.PlanRole, Word, word, $"{path}.planRole", mistakes);
        Check(vault?.Mount, Word, word, $"{path}.mount", mistakes);
        Check(vault?.Namespace, Word, word, $"{path}.namespace", mistakes);
        TextRules.CheckAudience(vault?.Audience, $"{path}.audience", mistakes);
    }

    private static void CheckKubernetes(KubernetesSpec? kubernetes, string path, List<Mistake> mistakes)
    {
        CheckUrl(kubernetes?.Server, $"{path}.server", mistakes);
        TextRules.CheckAudience(kubernetes?.Audience, $"{path}.audience", mistakes);
        if (kubernetes?.Namespace is { } name && !Slug.IsValid(name))
        {
            mistakes.Add(new Mistake($"{path}.namespace", Slug.Rule));
        }

        if (kubernetes?.CertificateAuthority is { } pem
            && (pem.Length > MaxCertificate || !pem.Contains("-----BEGIN CERTIFICATE-----", StringComparison.Ordinal) || pem.Contains("PRIVATE KEY", StringComparison.Ordinal)))
        {
            mistakes.Add(new Mistake($"{path}.certificateAuthority", $"must be certificates in PEM, at most {MaxCertificate} characters, without a private key"));
        }
    }

    private static void Check(string? value, Func<Regex> form, string rule, string path, List<Mistake> mistakes)
    {
        if (value is not null && !form().IsMatch(value))
        {
            mistakes.Add(new Mistake(path, rule));
        }
    }

    private static void CheckOneOf(string? value, string one, string other, string path, List<Mistake> mistakes)
    {
        if (value is not null && value != one && value != other)
        {
            mistakes.Add(new Mistake(path, $"must be {one} or {other}"));
        }
    }

    /// <summary>Plain http only on loopback: a token goes there.</summary>
    private static void CheckUrl(string? value, string path, List<Mistake> mistakes)
    {
        if (value is not null && !(Url().IsMatch(value) && Uri.TryCreate(value, UriKind.Absolute, out var url) && (url.Scheme == Uri.UriSchemeHttps || url.IsLoopback)))
        {
            mistakes.Add(new Mistake(path, "must be an https URL without user, query and fragment, at most 512 characters"));
        }
    }

    [GeneratedRegex(@"^arn:aws[a-z-]{0,20}:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,512}\z")]
    private static partial Regex RoleArn();

    [GeneratedRegex(@"^[a-z]{2}(-[a-z]{2,12}){1,3}-[0-9]{1,2}\z")]
    private static partial Regex Region();

    [GeneratedRegex(@"^[A-Za-z0-9_+=,.@-]{2,64}\z")]
    private static partial Regex SessionName();

    [GeneratedRegex(@"^projects/[0-9]{1,20}/locations/global/workloadIdentityPools/[a-z0-9-]{4,32}/providers/[a-z0-9-]{4,32}\z")]
    private static partial Regex Provider();

    [GeneratedRegex(@"^[a-z0-9-]{1,63}@[a-z0-9.-]{1,180}\z")]
    private static partial Regex ServiceAccount();

    [GeneratedRegex(@"^[a-z0-9.:-]{4,63}\z")]
    private static partial Regex Project();

    [GeneratedRegex(@"^[A-Za-z0-9_./-]{1,128}\z")]
    private static partial Regex Word();

    [GeneratedRegex(@"^https?://[A-Za-z0-9.:/_~\[\]-]{1,500}\z")]
    private static partial Regex Url();
}
