using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.TrustPolicies;

/// <summary>AWS in China and GovCloud: every ARN that is printed is one of that partition.</summary>
[Line("3.11")]
[Line("5.4")]
public sealed partial class AwsPartitionTests() : CliApiTests("acme", "prod")
{
    private string[] _audiences = ["sts.amazonaws.com"];

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        Api.OnRequest = async http =>
        {
            var items = new JsonArray([.. _audiences.Select(static audience => new JsonObject { ["audience"] = audience, ["name"] = "lanyard", ["isDefault"] = true, ["example"] = "w:acme" })]);
            await http.Response.WriteAsync(new JsonObject { ["id"] = "ws_1", ["issuer"] = "https://lanyard.example/oidc/acme", ["items"] = items }.ToJsonString());
            return true;
        };
    }

    [Theory]
    [InlineData("aws", "*", "--role", "r")]
    [InlineData("aws", "*", "--partition", "aws")]
    [InlineData("aws", "eu-central-1", "--region", "eu-central-1")]
    [InlineData("aws-cn", "*", "--partition", "aws-cn")]
    [InlineData("aws-cn", "cn-northwest-1", "--region", "cn-northwest-1")]
    [InlineData("aws-us-gov", "*", "--partition", "aws-us-gov")]
    [InlineData("aws-us-gov", "us-gov-west-1", "--region", "us-gov-west-1", "--partition", "aws-us-gov")]
    public async Task Every_ARN_is_of_the_partition_that_is_said_or_that_the_region_tells(string partition, string region, params string[] more)
    {
        Assert.Equal(0, await Cli.RunAsync(["trust-policy", "eks", "deploy", "--account", "123456789012", "--cluster", "demo", .. more]));

        var said = Cli.Out.ToString();
        Assert.All(Arns().Split(said).Skip(1), arn => Assert.StartsWith(partition + ":", arn, StringComparison.Ordinal));
        Assert.Contains($"\"arn:{partition}:iam::123456789012:oidc-provider/lanyard.example/oidc/acme\"", said, StringComparison.Ordinal);
        Assert.Contains($"arn:{partition}:eks:{region}:123456789012:cluster/demo", said, StringComparison.Ordinal);
        Assert.Contains($"--policy-arn arn:{partition}:eks::aws:cluster-access-policy/AmazonEKSViewPolicy", said, StringComparison.Ordinal);
        Assert.Contains($"rolearn: arn:{partition}:iam::123456789012:role/", said, StringComparison.Ordinal);
        Assert.Equal(region != "*", said.Contains($"aws eks create-access-entry --region '{region}'", StringComparison.Ordinal));

        Assert.Equal(0, await Cli.RunAsync(["trust-policy", "eks", "deploy", "--hcl", "--account", "123456789012", "--cluster", "demo", .. more]));
        Assert.All(Arns().Split(Cli.Out.ToString()).Skip(1), arn => Assert.StartsWith(partition + ":", arn, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("sts.amazonaws.com.cn", "--region", "cn-north-1")]
    [InlineData("sts.amazonaws.com", "--region", "eu-central-1")]
    [InlineData("sts.amazonaws.com", "--region", "us-gov-east-1")]
    public async Task The_audience_is_the_partitions_own(string audience, params string[] more)
    {
        _audiences = ["sts.amazonaws.com", "sts.amazonaws.com.cn"];

        Assert.Equal(0, await Cli.RunAsync(["trust-policy", "aws", "deploy", .. more]));
        Assert.Contains($"--client-id-list '{audience}'", Cli.Out.ToString(), StringComparison.Ordinal);
        Assert.Contains($"oidc/acme:aud\": \"{audience}\"", Cli.Out.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task In_China_a_definition_that_has_only_the_usual_audience_keeps_it()
    {
        Assert.Equal(0, await Cli.RunAsync("trust-policy", "aws", "deploy", "--partition", "aws-cn"));
        Assert.Contains("--client-id-list 'sts.amazonaws.com'", Cli.Out.ToString(), StringComparison.Ordinal);

        _audiences = ["https://vault.example"];
        Assert.Equal(2, await Cli.RunAsync("trust-policy", "aws", "deploy", "--partition", "aws-cn"));
        Assert.Contains("deploy has no audience sts.amazonaws.com.cn; it has https://vault.example", Cli.Error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--partition aws-iso: one of aws, aws-cn, aws-us-gov is wanted", "--partition", "aws-iso")]
    [InlineData("--region us-iso-east-1: a region of aws, aws-cn, aws-us-gov is wanted", "--region", "us-iso-east-1")]
    [InlineData("--region cn-north-1 is in the partition aws-cn, not in aws", "--region", "cn-north-1", "--partition", "aws")]
    [InlineData("--region: a word of letters", "--region", "$(id)")]
    public async Task A_partition_that_can_not_be_meant_is_a_mistake(string words, params string[] more)
    {
        Assert.Equal(2, await Cli.RunAsync(["trust-policy", "eks", "deploy", .. more]));
        Assert.Contains(words, Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Empty(Cli.Out.ToString());
    }

    [GeneratedRegex(@"\barn:")]
    private static partial Regex Arns();
}
