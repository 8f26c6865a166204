namespace Lanyard.Protocol.Aws;

/// <summary>The partitions of AWS, which share nothing but their form: each has accounts, ARNs and host names of its own.</summary>
public static class AwsPartition
{
    public const string Standard = "aws";
    public const string China = "aws-cn";
    public const string GovCloud = "aws-us-gov";

    /// <summary>What AWS's own clients ask tokens for, of an issuer that can say any audience.</summary>
    public const string Audience = "sts.amazonaws.com";

    /// <summary>The same in China, as AWS documents it for its clients there.</summary>
    public const string AudienceInChina = "sts.amazonaws.com.cn";

    public static IReadOnlyList<string> All { get; } = [Standard, China, GovCloud];

    /// <summary>Null for a region of a partition that is not known here, such as <c>us-iso-east-1</c>.</summary>
    public static string? OfRegion(string region)
    {
        ArgumentNullException.ThrowIfNull(region);
        return region.StartsWith("cn-", StringComparison.Ordinal) ? China
            : region.StartsWith("us-gov-", StringComparison.Ordinal) ? GovCloud
            : region.Contains("-iso", StringComparison.Ordinal) || region.StartsWith("eusc-", StringComparison.Ordinal) ? null : Standard;
    }

    /// <summary>Of a role, by its ARN.</summary>
    public static string AudienceOf(string? arn) => arn?.StartsWith($"arn:{China}:", StringComparison.Ordinal) == true ? AudienceInChina : Audience;

    /// <summary>What host names of the region's services end with.</summary>
    public static string DomainOf(string region) => OfRegion(region) == China ? "amazonaws.com.cn" : "amazonaws.com";
}
