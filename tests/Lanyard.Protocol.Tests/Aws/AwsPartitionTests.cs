using Lanyard.Protocol.Aws;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Protocol.Tests.Aws;

[Line("3.11")]
public sealed class AwsPartitionTests
{
    [Theory]
    [InlineData("eu-central-1", "aws", "amazonaws.com")]
    [InlineData("cn-northwest-1", "aws-cn", "amazonaws.com.cn")]
    [InlineData("us-gov-east-1", "aws-us-gov", "amazonaws.com")]
    [InlineData("us-iso-east-1", null, "amazonaws.com")]
    [InlineData("us-isob-east-1", null, "amazonaws.com")]
    [InlineData("eusc-de-east-1", null, "amazonaws.com")]
    public void A_region_tells_its_partition_and_its_domain(string region, string? partition, string domain) =>
        Assert.Equal((partition, domain), (AwsPartition.OfRegion(region), AwsPartition.DomainOf(region)));

    [Theory]
    [InlineData("arn:aws:iam::123456789012:role/r", "sts.amazonaws.com")]
    [InlineData("arn:aws-us-gov:iam::123456789012:role/r", "sts.amazonaws.com")]
    [InlineData("arn:aws-cn:iam::123456789012:role/r", "sts.amazonaws.com.cn")]
    [InlineData("arn:aws-cnx:iam::123456789012:role/r", "sts.amazonaws.com")]
    [InlineData(null, "sts.amazonaws.com")]
    public void A_role_tells_whose_tokens_it_takes(string? role, string audience) => Assert.Equal(audience, AwsPartition.AudienceOf(role));

    [Theory]
    [InlineData("arn:aws:iam::123456789012:role/r", "sts.amazonaws.com")]
    [InlineData("arn:aws-us-gov:iam::123456789012:role/r", "sts.us-gov-west-1.amazonaws.com")]
    [InlineData("arn:aws-cn:iam::123456789012:role/r", "sts.cn-north-1.amazonaws.com.cn")]
    [InlineData("arn:aws-iso:iam::123456789012:role/r", null)]
    [InlineData("arn::iam::123456789012:role/r", null)]
    [InlineData("aws-cn", null)]
    [InlineData(null, null)]
    public void A_role_tells_where_its_STS_is_without_a_region(string? role, string? host) => Assert.Equal(host, AwsPartition.StsHostOf(role));
}
