using System.Globalization;
using System.Text.Json;
using System.Text;
using Lanyard.Credentials.Aws;
using Lanyard.Protocol.Aws;
using Lanyard.Testing.Processes;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Credentials.Tests.Aws;

/// <summary>Our signatures against AWS's published cases, and our EKS token against the AWS CLI's own.</summary>
[Line("3.11")]
public sealed class SigV4Tests
{
    private static readonly AwsCredentials Example = new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", null);

    [Fact]
    public void The_published_case_get_vanilla_has_its_signature() =>
        Assert.EndsWith("Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", Sign("service", "example.amazonaws.com", [], []), StringComparison.Ordinal);

    [Fact]
    public void The_published_case_get_vanilla_query_order_key_case_has_its_signature() =>
        Assert.EndsWith(
            "Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            Sign("service", "example.amazonaws.com", [new("Param2", "value2"), new("Param1", "value1")], []), StringComparison.Ordinal);

    [Fact]
    public void The_example_of_the_documentation_ListUsers_has_its_signature() =>
        Assert.EndsWith(
            "SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
            Sign("iam", "iam.amazonaws.com", [new("Action", "ListUsers"), new("Version", "2010-05-08")], [new("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")]),
            StringComparison.Ordinal);

    [Fact]
    public void A_token_that_the_AWS_CLI_once_made_is_made_again_byte_for_byte()
    {
        const string Query = "https://sts.eu-central-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256"
            + "&X-Amz-Credential=AKID%2F20261127%2Feu-central-1%2Fsts%2Faws4_request&X-Amz-Date=20261127T202732Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id"
            + "&X-Amz-Security-Token=a%2B%2Fb%3D%3D&X-Amz-Signature=ad53aa53049e535c1ea879754d0bf9c29e57f6e3c299757d2d77494c6e349a2f";

        Assert.Equal(Query, Url(Token("demo", new DateTimeOffset(2026, 11, 27, 20, 27, 32, TimeSpan.Zero))));
    }

    [Fact]
    [Needs("aws-cli")]
    public async Task The_installed_AWS_CLI_and_we_make_the_same_token_of_the_same_inputs()
    {
        var said = (await Command.RunAsync("aws", ["eks", "get-token", "--cluster-name", "demo-2", "--output", "json"], new Dictionary<string, string?>
        {
            ["AWS_CONFIG_FILE"] = "/dev/null",
            ["AWS_DEFAULT_REGION"] = "eu-central-1",
            ["AWS_ACCESS_KEY_ID"] = "AKID",
            ["AWS_SECRET_ACCESS_KEY"] = "sec",
            ["AWS_SESSION_TOKEN"] = "a+/b==",
        })).Succeeded();
        using var document = JsonDocument.Parse(said);
        var theirs = document.RootElement.GetProperty("status").GetProperty("token").GetString()!;
        var stamp = Url(theirs).Split("X-Amz-Date=")[1].AsSpan(0, 16);

        Assert.Equal(theirs, Token("demo-2", DateTimeOffset.ParseExact(stamp, "yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal)));
    }

    private static string Token(string cluster, DateTimeOffset time) =>
        EksToken.Create(new AwsCredentials("AKID", "sec", "a+/b=="), AwsEndpoint.Sts("eu-central-1", static _ => null)!, "eu-central-1", cluster, time);

    private static string Url(string token) => Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(token.AsSpan("k8s-aws-v1.".Length)));

    private static string Sign(string service, string host, KeyValuePair<string, string>[] query, KeyValuePair<string, string>[] headers) =>
        new SigV4(Example, "us-east-1", service, new DateTimeOffset(2015, 8, 30, 12, 36, 0, TimeSpan.Zero)).Sign("GET", host, "/", query, headers, []).Single(static h => h.Key == "Authorization").Value;
}
