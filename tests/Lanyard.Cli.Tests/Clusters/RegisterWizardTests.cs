using System.Text.Json.Nodes;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Lanyard.Testing.Kube;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Clusters;

/// <summary>The wizard against a real API server; the control plane is a double that keeps what it was sent.</summary>
[Line("2.7")]
[Needs("kube")]
public sealed class RegisterWizardTests(KubeCluster cluster) : CliApiTests("acme"), IClassFixture<KubeCluster>
{
    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        Cli.Environment["KUBECONFIG"] = cluster.KubeconfigPath;
    }

    [Fact]
    public async Task A_private_cluster_is_registered_with_its_keys_and_a_fresh_token_and_its_runner_is_made()
    {
        Assert.Equal(0, await RegisterAsync("--namespace", "made", "--create", "--runner", "r1", "--collection", "infra"));

        Assert.True(TokenHolds("made"), Cli.Error.ToString());
        var runner = Api.Resources["/v1/workspaces/acme/runners/r1"].Resource["spec"]!;
        Assert.Equal("system:serviceaccount:made:lanyard-runner", runner["identity"]!["subject"]!.GetValue<string>());
        Assert.Contains("private: the keys are uploaded", Cli.Error.ToString(), StringComparison.Ordinal);
        var token = Sent()["token"]!.GetValue<string>();
        Assert.DoesNotContain(token, Cli.Out.ToString() + Cli.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_same_registration_once_more_is_no_mistake_and_another_runner_of_that_name_is_left_alone()
    {
        Assert.Equal(0, await RegisterAsync("--namespace", "twice", "--create", "--runner", "r1", "--collection", "infra"));
        Assert.Equal(0, await RegisterAsync("--yes", "--namespace", "twice", "--runner", "r1", "--collection", "infra"));
        Assert.Equal(3, await RegisterAsync("--yes", "--namespace", "twice", "--runner", "r1", "--collection", "other"));
        Assert.Contains("lanyard get runner r1 -w acme -o yaml", Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Equal("infra", Api.Resources["/v1/workspaces/acme/runners/r1"].Resource["spec"]!["collections"]![0]!.GetValue<string>());
    }

    [Fact]
    public async Task Through_kubectl_the_same_is_sent()
    {
        Assert.Equal(0, await RegisterAsync("--kubeconfig", cluster.KubeconfigPath, "--namespace", "by-kubectl", "--create", "--kubectl"));

        Assert.True(TokenHolds("by-kubectl"), Cli.Error.ToString());
    }

    [Fact]
    public async Task A_user_with_an_exec_plugin_is_authenticated_by_it()
    {
        var admin = JsonNode.Parse((await cluster.KubectlAsync("config", "view", "--raw", "-o", "json")).Succeeded())!;
        var credential = new JsonObject
        {
            ["apiVersion"] = "client.authentication.k8s.io/v1beta1",
            ["kind"] = "ExecCredential",
            ["status"] = new JsonObject { ["token"] = admin["users"]![0]!["user"]!["token"]!.DeepClone() },
        };
        Cli.Write("credential.json", credential.ToJsonString());
        admin["users"]![0]!["user"] = new JsonObject
        {
            ["exec"] = new JsonObject
            {
                ["apiVersion"] = "client.authentication.k8s.io/v1beta1",
                ["command"] = "/bin/cat",
                ["args"] = new JsonArray(Path.Combine(Cli.Folder, "credential.json")),
            },
        };

        Assert.Equal(0, await RegisterAsync("--kubeconfig", Cli.Write("exec.kubeconfig", admin.ToJsonString()), "--namespace", "by-exec", "--create"));
        Assert.True(TokenHolds("by-exec"), Cli.Error.ToString());
    }

    [Fact]
    public async Task Nothing_is_created_in_the_cluster_that_was_not_agreed_to()
    {
        Assert.Equal(2, await RegisterAsync("--namespace", "not-there"));

        Assert.Contains("there is no namespace not-there", Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.NotEqual(0, (await cluster.KubectlAsync("get", "namespace", "not-there")).ExitCode);
        Assert.Empty(Api.Resources);
    }

    [Fact]
    public async Task A_trial_that_does_not_hold_prints_its_report_and_ends_with_1()
    {
        Api.OnRequest = async http =>
        {
            if (http.Request.Method != "PUT")
            {
                return false;
            }

            http.Response.StatusCode = 422;
            await http.Response.WriteAsync(
                """{"type":"urn:lanyard:problem:trial-refused","title":"No","status":422,"requestId":"r","report":{"verified":false,"lines":[{"name":"issuer","ok":true,"seen":"x"},{"name":"clock","ok":false,"seen":"issued 300 s in the future","wanted":"at most 60 s"}]}}""");
            return true;
        };

        Assert.Equal(1, await RegisterAsync("--namespace", "trial", "--create", "--runner", "r1", "--collection", "infra"));
        Assert.Contains("WRONG  clock    issued 300 s in the future   (wanted: at most 60 s)", Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Empty(Api.Resources);
    }

    [Fact]
    public async Task A_cluster_whose_certificate_is_anothers_is_not_believed()
    {
        var config = JsonNode.Parse((await cluster.KubectlAsync("config", "view", "--raw", "-o", "json")).Succeeded())!;
        config["clusters"]![0]!["cluster"]!.AsObject().Remove("certificate-authority-data");

        Assert.Equal(4, await RegisterAsync("--kubeconfig", Cli.Write("other.kubeconfig", config.ToJsonString()), "--namespace", "x", "--create"));
        Assert.Empty(Api.Resources);
    }

    private Task<int> RegisterAsync(params string[] flags) => Cli.RunAsync(["cluster", "register", "--slug", "prod", .. flags]);

    private JsonObject Sent() => Api.Resources["/v1/workspaces/acme/clusters/prod"].Resource;

    /// <summary>What was sent is a trial that the chain accepts.</summary>
    private bool TokenHolds(string @namespace)
    {
        var sent = Sent();
        var record = new TrustedIssuer { Id = "t", Issuer = sent["spec"]!["issuer"]!.GetValue<string>(), Keys = KeySource.Uploaded };
        var keys = KeySet.Parse(sent["spec"]!["keys"]!["jwks"]!.ToJsonString()).Value;
        var token = UnverifiedToken.Parse(sent["token"]!.GetValue<string>()).Value;
        var verified = new TokenVerifier(TimeProvider.System).Verify(token, record, keys, new VerifyOptions { DefaultAudience = Api.Url });
        return !verified.IsRefused && verified.Value.Subject == $"system:serviceaccount:{@namespace}:lanyard-runner"
            && record.Issuer == cluster.Issuer && verified.Value.ExpiresAt - verified.Value.IssuedAt <= TimeSpan.FromMinutes(10);
    }
}
