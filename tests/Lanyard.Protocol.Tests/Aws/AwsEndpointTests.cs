using Lanyard.Protocol.Aws;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Protocol.Tests.Aws;

/// <summary>Where a pipeline's token is sent: to AWS, or where AWS's own variables say, and never in the clear over a network.</summary>
[Line("3.11")]
public sealed class AwsEndpointTests
{
    [Theory]
    [InlineData("eu-central-1", "https://sts.eu-central-1.amazonaws.com/")]
    [InlineData("cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn/")]
    [InlineData("us-gov-west-1", "https://sts.us-gov-west-1.amazonaws.com/")]
    public void The_service_is_in_the_regions_own_partition(string region, string url) => Assert.Equal(url, AwsEndpoint.Sts(region, static _ => null)!.AbsoluteUri);

    [Fact]
    public void The_services_own_variable_goes_before_the_one_for_all_and_an_empty_one_says_nothing()
    {
        var all = new Dictionary<string, string> { ["AWS_ENDPOINT_URL"] = "https://all.example", ["AWS_ENDPOINT_URL_EKS"] = "https://eks.example", ["AWS_ENDPOINT_URL_ECR"] = "" };
        Assert.Equal("https://all.example/", AwsEndpoint.Sts("eu-west-1", all.GetValueOrDefault)!.AbsoluteUri);
        Assert.Equal("https://eks.example/", AwsEndpoint.Eks("eu-west-1", all.GetValueOrDefault)!.AbsoluteUri);
        Assert.Equal("https://all.example/", AwsEndpoint.Ecr("eu-west-1", all.GetValueOrDefault)!.AbsoluteUri);
    }

    [Theory]
    [InlineData("http://sts.example")]
    [InlineData("http://10.0.0.1:4566")]
    [InlineData("ftp://127.0.0.1")]
    [InlineData("sts.example")]
    public void A_token_goes_nowhere_unencrypted_but_to_this_machine(string url) => Assert.Null(AwsEndpoint.Sts("eu-west-1", _ => url));

    [Fact]
    public void A_double_on_this_machine_is_taken() => Assert.Equal("http://127.0.0.1:4566/", AwsEndpoint.Sts("eu-west-1", static _ => "http://127.0.0.1:4566")!.AbsoluteUri);
}
