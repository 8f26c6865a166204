using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Clouds;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Clouds;

/// <summary>The clouds' own client libraries, unchanged and told nothing but what the environment says, in steps of real runs.</summary>
[Line("5.3")]
[Needs("npm")]
[Needs("bwrap")]
public sealed class CloudClientTests(CloudTools tools) : IClassFixture<CloudTools>
{
    private const string Aws = """
        import { fromTokenFile, fromContainerMetadata } from '@aws-sdk/credential-providers';
        import { readFileSync, writeFileSync } from 'node:fs';
        const provider = process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI ? fromContainerMetadata() : fromTokenFile({ clientConfig: { region: 'eu-central-1' } });
        const said = await provider().then(c => `secret ${Buffer.from(c.secretAccessKey).toString('hex')}`, e => `${e.name}: ${e.message}`);
        writeFileSync('said', said.replaceAll('\n', ' '));
        """;

    private const string Google = """
        import { ExternalAccountClient } from 'google-auth-library';
        import { readFileSync, writeFileSync } from 'node:fs';
        const client = ExternalAccountClient.fromJSON(JSON.parse(readFileSync(process.env.GOOGLE_APPLICATION_CREDENTIALS, 'utf8')));
        client.scopes = ['https://www.googleapis.com/auth/cloud-platform'];
        const said = await client.getAccessToken().then(t => t.token, e => `refused ${e.message}`);
        writeFileSync('said', said.replaceAll('\n', ' '));
        """;

    private const string Azure = """
        import { WorkloadIdentityCredential } from '@azure/identity';
        import { writeFileSync } from 'node:fs';
        const credential = new WorkloadIdentityCredential({ disableInstanceDiscovery: true });
        const said = await credential.getToken('https://management.azure.com/.default').then(t => t.token, e => `refused ${e.message}`);
        writeFileSync('said', said.replaceAll('\n', ' '));
        """;

    [Theory]
    [InlineData("file", null, "apply")]
    [InlineData("file", "plan", "plan")]
    [InlineData("endpoint", null, "apply")]
    [InlineData("endpoint", "plan", "plan")]
    public async Task Aws_sdk_assumes_the_role_of_the_phase(string credentials, string? phase, string role)
    {
        await using var scene = await AwsScene.StartAsync(tools, Aws);
        var (apply, plan) = (scene.Sts.AddRole("apply", static _ => true), scene.Sts.AddRole("plan", static _ => true));
        await scene.ApplyCollectionAsync($"roleArn: '{apply}', planRoleArn: '{plan}', credentials: {credentials}");

        var (run, said) = await scene.Cloud.RunAsync(phase);

        Assert.True(said == "secret " + Convert.ToHexStringLower(System.Text.Encoding.ASCII.GetBytes(scene.Sts.Secrets.FirstOrDefault() ?? "")), $"{said}; {string.Join(", ", scene.Sts.Refused)}");
        Assert.Equal($"assumed-role/{role}/{run}", scene.Sts.Sessions.First());
    }

    /// <summary>Its token for EKS is made of the role's credentials, without a further call.</summary>
    [Theory]
    [Needs("aws-cli")]
    [InlineData("file")]
    [InlineData("endpoint")]
    public async Task The_AWS_CLI_of_this_machine_has_the_roles_credentials_in_a_step(string credentials)
    {
        var program = (await Command.RunAsync("sh", ["-c", "readlink -f \"$(pyenv which aws 2> /dev/null || command -v aws)\""])).Succeeded().Trim();
        var isReadable = (await Command.RunAsync("setpriv", ["--reuid", "65534", "--clear-groups", "test", "-x", program])).ExitCode == 0;
        Assert.SkipUnless(isReadable, $"the AWS CLI of this machine is {program}, which no step may read");
        var version = Version.Parse((await Command.RunAsync(program, ["--version"])).Succeeded().Split('/')[1].Split(' ')[0]);
        var knowsEndpoints = version.Major == 1 ? version.Minor >= 29 : version >= new Version(2, 13);
        Assert.SkipWhen(credentials == "file" && !knowsEndpoints, $"the AWS CLI of this machine is {version}, which asks no STS but Amazon's own");
        var home = program.StartsWith("/usr/", StringComparison.Ordinal) ? "/usr/share" : Path.GetDirectoryName(Path.GetDirectoryName(program))!;
        await using var scene = await AwsScene.StartAsync(tools, "", $"{program} eks get-token --cluster-name demo --region eu-central-1 --query status.token --output text 2>&1 | tr '\\n' ' ' > said", home);
        var role = scene.Sts.AddRole("apply", static _ => true);
        await scene.ApplyCollectionAsync($"roleArn: '{role}', credentials: {credentials}");

        var (run, said) = await scene.Cloud.RunAsync();

        Assert.True(said.StartsWith("k8s-aws-v1.", StringComparison.Ordinal), $"{said}; {string.Join(", ", scene.Sts.Refused)}");
        Assert.Contains("Credential=ASIAEXAMPLE", System.Text.Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(said.Trim().AsSpan("k8s-aws-v1.".Length))), StringComparison.Ordinal);
        Assert.Equal($"assumed-role/apply/{run}", scene.Sts.Sessions.First());
    }

    [Theory]
    [Needs("gcloud")]
    [InlineData("file")]
    [InlineData("url")]
    public async Task Gcloud_acts_as_the_service_account_in_a_step(string source)
    {
        await using var scene = await CloudScene.StartAsync(
            tools, "", "export CLOUDSDK_CONFIG=$PWD/gcloud; gcloud auth login --quiet --cred-file=\"$GOOGLE_APPLICATION_CREDENTIALS\" > said 2>&1 && gcloud auth print-access-token > said 2>&1 || :");
        await using var google = await GoogleDouble.StartAsync(scene.Issuer);
        var account = google.AddServiceAccount("deployer", static _ => true);
        await scene.ApplyCollectionAsync(
            $"gcp: {{provider: '{GoogleDouble.Provider}', serviceAccount: '{account}', source: {source}, stsEndpoint: '{google.StsUrl}', iamEndpoint: '{google.Url}'}}",
            $"audiences: [{{audience: 'https://iam.googleapis.com/{GoogleDouble.Provider}', subject: '{{workspace}}:{{collection}}:{{definition}}'}}]");

        var (_, said) = await scene.RunAsync();

        Assert.True(said.Trim() == "ya29." + account, $"{said}; {string.Join(", ", google.Refused)}");
        Assert.Equal("acme:prod:deploy", google.Admitted.First());
    }

    [Theory]
    [InlineData("file")]
    [InlineData("endpoint")]
    public async Task Aws_refuses_a_role_that_trusts_another_subject_and_the_step_hears_why(string credentials)
    {
        await using var scene = await AwsScene.StartAsync(tools, Aws);
        var role = scene.Sts.AddRole("other", static subject => subject == "somebody-else");
        await scene.ApplyCollectionAsync($"roleArn: '{role}', credentials: {credentials}");

        var (_, said) = await scene.Cloud.RunAsync();

        Assert.DoesNotContain("secret", said, StringComparison.Ordinal);
        Assert.Contains("Subject", scene.Sts.Refused.First(), StringComparison.Ordinal);
        Assert.Empty(scene.Sts.Secrets);
    }

    [Theory]
    [InlineData("file")]
    [InlineData("url")]
    public async Task Google_auth_library_acts_as_the_service_account(string source)
    {
        await using var scene = await CloudScene.StartAsync(tools, Google);
        await using var google = await GoogleDouble.StartAsync(scene.Issuer);
        var account = google.AddServiceAccount("deployer", static _ => true);
        await scene.ApplyCollectionAsync(
            $"gcp: {{provider: '{GoogleDouble.Provider}', serviceAccount: '{account}', source: {source}, stsEndpoint: '{google.StsUrl}', iamEndpoint: '{google.Url}'}}",
            $"audiences: [{{audience: 'https://iam.googleapis.com/{GoogleDouble.Provider}', subject: '{{workspace}}:{{collection}}:{{definition}}'}}]");

        var (_, said) = await scene.RunAsync();

        Assert.True(said == "ya29." + account, $"{said}; {string.Join(", ", google.Refused)}");
        Assert.Equal("acme:prod:deploy", google.Admitted.First());
    }

    [Fact]
    public async Task Azure_identity_gets_in_with_the_exact_subject_and_with_no_other()
    {
        await using var scene = await CloudScene.StartAsync(tools, Azure);
        await using var entra = await EntraDouble.StartAsync(scene.Issuer);
        await scene.ApplyCollectionAsync(
            $"azure: {{tenantId: {EntraDouble.Tenant}, clientId: {EntraDouble.Client}, authorityHost: '{entra.Url}'}}",
            "audiences: [{audience: 'api://AzureADTokenExchange', subject: 'meshstack-definition'}]",
            entra.CertificatePem);

        var (_, refused) = await scene.RunAsync();
        var subject = entra.Refused.First().Split(": ", 2)[1];
        entra.Subjects.Add(subject);
        var (_, said) = await scene.RunAsync();

        Assert.Contains("AADSTS700213", refused, StringComparison.Ordinal);
        Assert.Matches("^system:serviceaccount:[a-z0-9-]+:workspace[.]acme[.]buildingblockdefinition[.][0-9a-f-]{36}$", subject);
        Assert.StartsWith("entra-", said, StringComparison.Ordinal);
        Assert.Equal(subject, entra.Admitted.First());
    }

    [Fact]
    public async Task In_a_long_run_the_token_of_60_seconds_is_another_before_it_ends_and_the_cloud_takes_the_new_one()
    {
        await using var scene = await AwsScene.StartAsync(tools, Aws, "first=$(cat $AWS_WEB_IDENTITY_TOKEN_FILE); while [ \"$(cat $AWS_WEB_IDENTITY_TOKEN_FILE)\" = \"$first\" ]; do sleep 0.2; done");
        var role = scene.Sts.AddRole("apply", static _ => true);
        await scene.ApplyCollectionAsync($"roleArn: '{role}'", "audiences: [{audience: sts.amazonaws.com, lifetimeSeconds: 60}]");

        var (_, said) = await scene.Cloud.RunAsync();

        Assert.StartsWith("secret", said, StringComparison.Ordinal);
        Assert.Empty(scene.Sts.Refused);
    }
}
