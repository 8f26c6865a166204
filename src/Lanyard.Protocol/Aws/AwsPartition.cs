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

    /// <summary>As an ARN says it (its second part), known here or not; null for what is no ARN.</summary>
    public static string? OfArn(string? arn) => arn?.Split(':') is ["arn", { Length: > 0 } partition, _, ..] ? partition : null;

    /// <summary>Of a role, by its ARN.</summary>
    public static string AudienceOf(string? arn) => OfArn(arn) == China ? AudienceInChina : Audience;

    /// <summary>Where STS is for a role whose region nobody says. Only the first partition has a host for all its regions; null where the partition is not known here.</summary>
    public static string? StsHostOf(string? arn) => OfArn(arn) switch
    {
        Standard => "sts.amazonaws.com",
        China => "sts.cn-north-1.amazonaws.com.cn",
        GovCloud => "sts.us-gov-west-1.amazonaws.com",
        _ => null,
    };

    /// <summary>What host names of the region's services end with.</summary>
    public static string DomainOf(string region) => OfRegion(region) == China ? "amazonaws.com.cn" : "amazonaws.com";
}
