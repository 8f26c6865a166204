using Lanyard.Testing;
using Lanyard.Testing.Aws;
using Lanyard.Testing.Processes;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.EndToEnd.Tests.ClusterProxy;

/// <summary>
/// A pipeline reaches the cluster with nothing but its own token: <c>lanyard kubectl</c> and <c>lanyard kubeconfig</c> in each CI's environment,
/// through the real cluster proxy to the real API server, with every kubectl that there is.
/// </summary>
[Needs("kube")]
[Needs("kubectl-1.20")]
[Line("3.11")]
public sealed class PipelineClientTests(ProxiedCluster proxied) : IClassFixture<ProxiedCluster>, IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-pipeline-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("github")]
    [InlineData("gitlab")]
    [InlineData("bitbucket")]
    [InlineData("buildkite")]
    [InlineData("file")]
    public async Task In_each_pipeline_one_command_reaches_the_cluster_with_every_kubectl(string pipeline)
    {
        var environment = await EnvironmentAsync(pipeline);
        foreach (var kubectl in await KubectlOnPath.AllAsync())
        {
            var said = await LanyardProcess.RunAsync(
                ["kubectl", "--cluster", "prod", "--kubectl", kubectl, "--", "get", "serviceaccounts", "-n", ProxiedCluster.Namespace, "-o", "name"], environment, deadline: TimeSpan.FromMinutes(2));

            Assert.Contains("serviceaccount/cluster-proxy", said.Succeeded(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_written_kubeconfig_works_by_itself_in_both_versions_of_the_plugin()
    {
        var environment = await EnvironmentAsync("github");
        var all = await KubectlOnPath.AllAsync();
        foreach (var (api, programs) in (ValueTuple<string, IEnumerable<string>>[])[("v1beta1", all), ("v1", all.Where(static p => !p.Contains("1.20", StringComparison.Ordinal)))])
        {
            var file = Path.Combine(_folder, api);
            (await LanyardProcess.RunAsync(["kubeconfig", "--cluster", "prod", "--exec-api", api, "--output", file], environment)).Succeeded();
            foreach (var kubectl in programs)
            {
                var said = await Command.RunAsync(kubectl, ["--kubeconfig", file, "get", "sa", "-n", ProxiedCluster.Namespace, "-o", "name"], environment, deadline: TimeSpan.FromMinutes(1));
                Assert.Contains("serviceaccount/cluster-proxy", said.Succeeded(), StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public async Task Kubectls_input_outputs_and_exit_code_are_ours_and_nothing_stays_behind()
    {
        var environment = await EnvironmentAsync("bitbucket");
        environment["TMPDIR"] = Directory.CreateDirectory(Path.Combine(_folder, "tmp")).FullName;

        var applied = await LanyardProcess.RunAsync(
            ["kubectl", "--cluster", "prod", "--", "apply", "-n", ProxiedCluster.Namespace, "-f", "-"], environment,
            """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"by-pipeline"}}""", TimeSpan.FromMinutes(1));
        var refused = await LanyardProcess.RunAsync(["kubectl", "--cluster", "prod", "--", "get", "secrets", "-n", "default"], environment, deadline: TimeSpan.FromMinutes(1));

        Assert.Contains("configmap/by-pipeline created", applied.Succeeded(), StringComparison.Ordinal);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("cannot list resource \"secrets\"", refused.Errors, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(environment["TMPDIR"]!, "lanyard-kubectl-*"));
    }

    [Fact]
    [Line("6.9")]
    public async Task A_pipe_applies_a_folder_with_labels_by_variables_alone_with_every_kubectl()
    {
        var environment = await EnvironmentAsync("bitbucket");
        var folder = Directory.CreateDirectory(Path.Combine(_folder, "manifests")).FullName;
        foreach (var name in (string[])["one", "two"])
            await File.WriteAllTextAsync(Path.Combine(folder, name + ".yaml"), $"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: pipe-{name}\n  namespace: {ProxiedCluster.Namespace}\n  labels: {{kept: 'yes'}}\n");
        environment["CLUSTER_NAME"] = "prod";
        environment["RESOURCE_PATH"] = folder;
        environment["BITBUCKET_COMMIT"] = "0a1b2c3d";
        environment["LABELS_COUNT"] = "1";
        environment["LABELS_0"] = "team=core";
        foreach (var kubectl in await KubectlOnPath.AllAsync())
        {
            environment["LANYARD_KUBECTL"] = kubectl;
            environment["KUBECTL_COMMAND"] = "apply";
            environment["KUBECTL_ARGS"] = "";
            (await LanyardProcess.RunAsync(["pipe"], environment, deadline: TimeSpan.FromMinutes(1))).Succeeded();
            environment["KUBECTL_COMMAND"] = "get configmaps";
            environment["KUBECTL_ARGS"] = $"-n {ProxiedCluster.Namespace} -l team=core,kept=yes,bitbucket.org/bitbucket_commit=0a1b2c3d -o name";
            var said = (await LanyardProcess.RunAsync(["pipe"], environment, deadline: TimeSpan.FromMinutes(1))).Succeeded();
            Assert.Equal("configmap/pipe-one\nconfigmap/pipe-two", said.Trim());

            environment["KUBECTL_COMMAND"] = $"delete configmap pipe-one pipe-two -n {ProxiedCluster.Namespace}";
            environment["KUBECTL_ARGS"] = "";
            await LanyardProcess.RunAsync(["pipe"], environment, deadline: TimeSpan.FromMinutes(1));
        }
    }

    [Fact]
    public async Task Bitbuckets_variables_alone_run_a_command_on_EKS_and_a_token_of_another_subject_gets_no_role()
    {
        await using var aws = await AwsDouble.StartAsync(proxied.Issuer, "{repo}:{step}");
        var environment = Pipe(aws, "{repo}:{step}");
        foreach (var kubectl in await KubectlOnPath.AllAsync())
        {
            environment["LANYARD_KUBECTL"] = kubectl;
            var said = (await LanyardProcess.RunAsync(["kubectl"], environment, deadline: TimeSpan.FromMinutes(1))).Succeeded();
            Assert.Contains($"\"caller\":\"{AwsDouble.Role}\"", said, StringComparison.Ordinal);
        }

        var stranger = await LanyardProcess.RunAsync(["kubectl"], Pipe(aws, "{other}:{step}"), deadline: TimeSpan.FromMinutes(1));

        Assert.Equal(1, stranger.ExitCode);
        Assert.Contains("AccessDenied", stranger.Errors, StringComparison.Ordinal);
        Assert.All(aws.SessionNames, static name => Assert.Equal("lanyard-step-7", name));
    }

    [Fact]
    [Line("6.9")]
    public async Task The_pipes_second_role_is_the_one_that_the_cluster_sees()
    {
        await using var aws = await AwsDouble.StartAsync(proxied.Issuer, "{repo}:{step}");
        var environment = Pipe(aws, "{repo}:{step}");
        environment["ROLE_ARN"] = AwsDouble.SecondRole;

        var said = (await LanyardProcess.RunAsync(["pipe"], environment, deadline: TimeSpan.FromMinutes(1))).Succeeded();

        Assert.Contains($"\"caller\":\"{AwsDouble.SecondRole}\"", said, StringComparison.Ordinal);
    }

    private Dictionary<string, string?> Pipe(AwsDouble aws, string subject) => new()
    {
        ["BITBUCKET_STEP_OIDC_TOKEN"] = proxied.Issuer.Mint(AwsDouble.Audience, subject),
        ["BITBUCKET_STEP_UUID"] = "{step-7}",
        ["AWS_DEFAULT_REGION"] = AwsDouble.Region,
        ["AWS_OIDC_ROLE_ARN"] = AwsDouble.Role,
        ["CLUSTER_NAME"] = AwsDouble.Cluster,
        ["KUBECTL_COMMAND"] = "get --raw '/whoami'",
        ["AWS_ENDPOINT_URL_STS"] = aws.Url,
        ["AWS_ENDPOINT_URL_EKS"] = aws.Url,
    };

    private async Task<Dictionary<string, string?>> EnvironmentAsync(string pipeline)
    {
        var token = proxied.Token($"{pipeline}:acme/app", "deployers");
        Dictionary<string, string?> environment = new()
        {
            ["LANYARD_CLUSTER_SERVER"] = proxied.Address.GetLeftPart(UriPartial.Authority),
            ["LANYARD_CLUSTER_CA_FILE"] = proxied.CertificateFile,
            ["LANYARD_CLUSTER_AUDIENCE"] = ProxiedCluster.Audience,
        };
        switch (pipeline)
        {
            case "github":
                AnswerAsGitHub();
                environment["ACTIONS_ID_TOKEN_REQUEST_URL"] = proxied.Issuer.Issuer + "/github?api-version=2.0";
                environment["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = "job";
                break;
            case "gitlab":
                environment["LANYARD_ID_TOKEN"] = token;
                break;
            case "bitbucket":
                environment["BITBUCKET_STEP_OIDC_TOKEN"] = token;
                break;
            case "buildkite":
                environment["BUILDKITE_JOB_ID"] = "job";
                environment["PATH"] = $"{await AgentAsync(token)}:{Environment.GetEnvironmentVariable("PATH")}";
                break;
            default:
                var file = environment["LANYARD_TOKEN_FILE"] = Path.Combine(_folder, "token");
                await File.WriteAllTextAsync(file!, token + "\n");
                break;
        }

        return environment;
    }

    /// <summary>The endpoint of a GitHub job, for the audience that is asked for.</summary>
    private void AnswerAsGitHub() => proxied.Issuer.OnRequest = async context =>
    {
        if (context.Request.Path != "/github" || context.Request.Headers.Authorization != "Bearer job")
        {
            return false;
        }

        var token = proxied.Issuer.Mint(context.Request.Query["audience"]!, "github:acme/app", static claims => claims["groups"] = new System.Text.Json.Nodes.JsonArray("deployers"));
        await context.Response.WriteAsync($$"""{"count":1,"value":"{{token}}"}""");
        return true;
    };

    /// <summary>A <c>buildkite-agent</c> that knows one command.</summary>
    private async Task<string> AgentAsync(string token)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_folder, "bin")).FullName;
        var agent = Path.Combine(folder, "buildkite-agent");
        await File.WriteAllTextAsync(agent, $"#!/bin/sh\n[ \"$*\" = \"oidc request-token --audience {ProxiedCluster.Audience}\" ] && echo '{token}'\n");
        File.SetUnixFileMode(agent, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return folder;
    }
}
