using System.Net;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Collections;
using Lanyard.Server.Runs;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Collections;

[Line("5.3")]
public sealed class CloudTests : IAsyncLifetime
{
    private const string Collection = "/v1/workspaces/acme/collections/infra";
    private const string Arn = "arn:aws:iam::123456789012:role/apply";
    private const string PlanArn = "arn:aws:iam::123456789012:role/plan";
    private TestServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await TestServer.StartAsync();
        await _server.MakeWorkspaceAsync("acme");
        await _server.MakeCollectionAsync("acme", "infra");
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Every_mistake_of_a_cloud_block_is_told_at_once_for_collection_and_definition_alike()
    {
        const string cloud = """
            {"aws":{"roleArn":"arn:aws:iam::1:role/x","planRoleArn":"role","region":"Mars","sessionName":"x","credentials":"key","stsEndpoint":"http://sts.example"},
            "gcp":{"provider":"p","serviceAccount":"a","planServiceAccount":"b\"","project":"P","source":"executable","stsEndpoint":"ftp://x","iamEndpoint":"https://u@x"},
            "azure":{"tenantId":"t","clientId":"c","planClientId":"p","subscriptionId":"s","authorityHost":"https://x?y"},
            "vault":{"address":"vault","role":"a b","planRole":"","mount":"{","namespace":"@"},
            "kubernetes":{"server":"k8s","audience":"","certificateAuthority":"-----BEGIN EC PRIVATE KEY-----","namespace":"A"}}
            """;
        string[] expected =
        [
            "aws.credentials", "aws.planRoleArn", "aws.region", "aws.roleArn", "aws.sessionName", "aws.stsEndpoint",
            "azure.authorityHost", "azure.clientId", "azure.planClientId", "azure.subscriptionId", "azure.tenantId",
            "gcp.iamEndpoint", "gcp.planServiceAccount", "gcp.project", "gcp.provider", "gcp.serviceAccount", "gcp.source", "gcp.stsEndpoint",
            "kubernetes.audience", "kubernetes.certificateAuthority", "kubernetes.namespace", "kubernetes.server",
            "vault.address", "vault.mount", "vault.namespace", "vault.planRole", "vault.role",
        ];

        var collection = await _server.PutAsync(Collection, "{\"spec\":{\"cloud\":" + cloud + "}}", ifMatch: "*");
        var definition = await _server.PutAsync(Collection + "/definitions/d", """{"spec":{"steps":[{"name":"a","script":"true"}],"cloud":""" + cloud + "}}");

        foreach (var answer in new[] { collection, definition })
        {
            Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
            Assert.Equal(
                expected.Select(static path => "spec.cloud." + path),
                answer.Mistakes.Select(static mistake => mistake[..mistake.IndexOf(':', StringComparison.Ordinal)]).Order(StringComparer.Ordinal));
        }
    }

    [Fact]
    public async Task A_cloud_block_is_kept_as_it_was_written_and_a_member_that_nobody_knows_is_refused()
    {
        const string good = $$$$$"""{"spec":{"cloud":{"aws":{"roleArn":"{{{{{Arn}}}}}","region":"eu-central-1"}}}}""";

        var put = await _server.PutAsync(Collection, good, ifMatch: "*");
        var unknown = await _server.PutAsync(Collection, """{"spec":{"cloud":{"alibaba":{}}}}""", ifMatch: "*");
        var secret = await _server.PutAsync(Collection, $$$$$"""{"spec":{"cloud":{"aws":{"roleArn":"{{{{{Arn}}}}}","secretAccessKey":"x"}}}}""", ifMatch: "*");

        Assert.Equal(HttpStatusCode.OK, put.Status);
        Assert.Equal(Arn, put.Json.GetProperty("spec").GetProperty("cloud").GetProperty("aws").GetProperty("roleArn").GetString());
        Assert.Equal((HttpStatusCode.BadRequest, HttpStatusCode.BadRequest), (unknown.Status, secret.Status));
    }

    [Fact]
    public void A_definitions_block_stands_before_the_collections_cloud_by_cloud()
    {
        var collection = new CloudSpec(new AwsSpec(Arn), Vault: new VaultSpec("https://vault.example", "apply"));
        var definition = new CloudSpec(new AwsSpec(PlanArn));

        Assert.Equal(new CloudSpec(definition.Aws, Vault: collection.Vault), CloudRules.InForce(collection, definition));
        Assert.Null(CloudRules.InForce(null, new CloudSpec()));
    }

    [Theory]
    [InlineData(null, "api://AzureADTokenExchange")]
    [InlineData("https://login.microsoftonline.com/", "api://AzureADTokenExchange")]
    [InlineData("https://login.microsoftonline.us", "api://AzureADTokenExchangeUSGov")]
    [InlineData("https://login.partner.microsoftonline.cn/", "api://AzureADTokenExchangeChina")]
    [InlineData("https://login.microsoftonline.us", "api://own", "api://own")]
    [Line("5.4")]
    public void The_audience_for_Azure_is_that_of_the_cloud_whose_authority_is_asked(string? authority, string expected, string? own = null)
    {
        var payload = CloudResolution.Resolve(new CloudSpec(Azure: new AzureSpec("t", "c", Audience: own, AuthorityHost: authority)), "run_1", "run")!;
        Assert.Equal(expected, Assert.Single(payload.Tokens).Audience);
    }

    [Theory]
    [InlineData("plan", "plan")]
    [InlineData("apply", "apply")]
    [InlineData("destroy", "apply")]
    public void Plan_has_roles_of_its_own_at_every_cloud(string phase, string expected)
    {
        var cloud = new CloudSpec(
            new AwsSpec(Arn, PlanArn),
            new GcpSpec("projects/1/locations/global/workloadIdentityPools/pool/providers/prov", "apply@x", "plan@x"),
            new AzureSpec("t", "apply", "plan"),
            new VaultSpec("https://vault.example", "apply", "plan"));

        var payload = CloudResolution.Resolve(cloud, "run_1", phase)!;

        Assert.Equal($"arn:aws:iam::123456789012:role/{expected}", payload.Variables["AWS_ROLE_ARN"]);
        Assert.Equal((expected, expected, expected), (payload.Variables["AZURE_CLIENT_ID"], payload.Variables["ARM_CLIENT_ID"], payload.Variables["VAULT_AUTH_ROLE"]));
        Assert.Contains($"serviceAccounts/{expected}@x:generateAccessToken", payload.Files.Single().Content, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("aws", null, "https://sts.amazonaws.com")]
    [InlineData("aws-cn", null, "https://sts.cn-north-1.amazonaws.com.cn")]
    [InlineData("aws-cn", "cn-northwest-1", "https://sts.cn-northwest-1.amazonaws.com.cn")]
    [InlineData("aws-us-gov", null, "https://sts.us-gov-west-1.amazonaws.com")]
    [InlineData("aws-us-gov", "us-gov-east-1", "https://sts.us-gov-east-1.amazonaws.com")]
    public void The_runner_asks_the_STS_of_the_roles_own_partition_with_a_region_and_without(string partition, string? region, string url)
    {
        var cloud = new CloudSpec(new AwsSpec($"arn:{partition}:iam::123456789012:role/r", Region: region, Credentials: "endpoint"));

        Assert.Equal(url, CloudResolution.Resolve(cloud, "run_1", "apply")!.Aws!.StsUrl);
    }

    [Theory]
    [InlineData("aws-cn", ""","region":"eu-central-1" """, "region: eu-central-1 is in the partition aws, the role in aws-cn")]
    [InlineData("aws", ""","region":"us-gov-west-1" """, "region: us-gov-west-1 is in the partition aws-us-gov, the role in aws")]
    [InlineData("aws-us-gov", ""","planRoleArn":"arn:aws:iam::123456789012:role/plan" """, "planRoleArn: is of the partition aws, roleArn of aws-us-gov: one block is of one partition")]
    [InlineData("aws-iso", "", "stsEndpoint: is wanted for a role of aws-iso: where its STS is, is not known here")]
    public async Task A_block_whose_role_no_STS_would_know_is_refused_with_what_is_wrong(string partition, string more, string mistake)
    {
        var put = await _server.PutAsync(
            Collection, $$$"""{"spec":{"cloud":{"aws":{"roleArn":"arn:{{{partition}}}:iam::123456789012:role/r","credentials":"endpoint"{{{more}}} } } } }""", ifMatch: "*");

        Assert.Equal(HttpStatusCode.BadRequest, put.Status);
        Assert.Equal([$"spec.cloud.aws.{mistake}"], put.Mistakes);
    }

    [Theory]
    [InlineData("aws", null, "sts.amazonaws.com")]
    [InlineData("aws-cn", null, "sts.amazonaws.com.cn")]
    [InlineData("aws-cn", "sts.amazonaws.com", "sts.amazonaws.com")]
    public void A_role_in_China_has_the_audience_of_China_unless_another_is_said(string partition, string? said, string audience)
    {
        var cloud = new CloudSpec(new AwsSpec($"arn:{partition}:iam::123456789012:role/r", Audience: said));

        Assert.Equal(audience, CloudResolution.Resolve(cloud, "run_1", "apply")!.Tokens.Single().Audience);
        Assert.Equal([audience], CloudRules.AudiencesOf(cloud));
    }

    [Fact]
    public void The_endpoint_is_instead_of_the_file_because_sdks_would_take_the_file_first()
    {
        var payload = CloudResolution.Resolve(new CloudSpec(new AwsSpec(Arn, Credentials: "endpoint", Region: "cn-north-1")), "run_1", "apply")!;

        Assert.Empty(payload.Tokens);
        Assert.DoesNotContain("AWS_WEB_IDENTITY_TOKEN_FILE", payload.Variables.Keys);
        Assert.Equal(("sts.amazonaws.com", Arn, "run_1", "https://sts.cn-north-1.amazonaws.com.cn"), (payload.Aws!.Audience, payload.Aws.RoleArn, payload.Aws.SessionName, payload.Aws.StsUrl));
    }
}
