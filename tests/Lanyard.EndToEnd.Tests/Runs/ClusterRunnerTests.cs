using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Kube;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>The first path, with nothing made up: a real API server, the programs that people start, and a relying party that knows only a URL.</summary>
[Needs("kube")]
[Needs("bwrap")]
public sealed class ClusterRunnerTests(KubeCluster cluster) : IClassFixture<KubeCluster>
{
    private const string Audience = "https://sts.example";
    private const string DefaultAudience = "https://default.example";

    [Fact]
    [Needs("npm")]
    [Line("2.7")]
    [Line("2.8")]
    [Line("2.9")]
    [Line("2.10")]
    public async Task A_cluster_registers_and_its_runner_takes_a_run_known_by_its_service_account_token_alone()
    {
        await using var installation = await Installation.StartAsync();
        await WalkTheFirstPathAsync(installation);
    }

    [Fact]
    [Needs("npm")]
    [Needs("postgres")]
    [Line("2.14")]
    public async Task The_first_path_is_the_same_on_PostgreSQL()
    {
        var postgres = await PostgresServer.SharedAsync();
        Assert.True(postgres is not null, "PostgreSQL is not installed: eng/postgres");
        await using var installation = await Installation.StartAsync(await postgres.CreateDatabaseAsync());
        await WalkTheFirstPathAsync(installation);
        Assert.False(File.Exists(Path.Combine(installation.DataFolder, "lanyard.db")));
    }

    private async Task WalkTheFirstPathAsync(Installation installation)
    {
        await using var mailbox = new StepMailbox();
        await RegisterAsync(installation, "acme", "prod", mailbox.Say("\"$LANYARD_OIDC_TOKEN $(lanyard token --audience " + Audience + ")\""));
        var tokenFile = await RunnerTokenFileAsync(installation);
        var runner = installation.StartRunner("k8s", "--token-file", tokenFile);

        var run = (await installation.LanyardAsync("run", "deploy", "-w", "acme", "-c", "prod")).Succeeded();
        var message = await mailbox.ReceiveAsync();
        var tokens = message.Text.Split(' ');
        var given = await JoseClient.AcceptAsync(tokens[0], installation.IssuerOf("acme"), DefaultAudience);
        var asked = await JoseClient.AcceptAsync(tokens[1], installation.IssuerOf("acme"), Audience);
        var whileItRuns = await IntrospectAsync(installation, tokens[1]);
        await message.AnswerAsync();
        var view = await installation.WaitForEndAsync("acme", "prod", run);

        AssertClaims(asked["claims"]!, run);
        Assert.Equal(run, given["claims"]!["run"]!.GetValue<string>());
        Assert.Equal("RS256", asked["header"]!["alg"]!.GetValue<string>());
        Assert.Equal("succeeded", view["state"]!.GetValue<string>());
        Assert.True(whileItRuns);
        Assert.False(await IntrospectAsync(installation, tokens[1]));
        Assert.DoesNotContain(tokens[1], (await installation.LanyardAsync("logs", run, "-w", "acme", "-c", "prod")).Succeeded(), StringComparison.Ordinal);
        var audit = (await installation.LanyardAsync("audit", "--verify")).Succeeded();
        Assert.DoesNotContain(tokens[1], audit + installation.Server.Errors + runner.Errors, StringComparison.Ordinal);
    }

    private static void AssertClaims(JsonNode claims, string run)
    {
        Assert.Equal("acme", claims["workspace"]!.GetValue<string>());
        Assert.Equal("prod", claims["collection"]!.GetValue<string>());
        Assert.Equal("deploy", claims["definition"]!.GetValue<string>());
        Assert.Equal("k8s", claims["runner"]!.GetValue<string>());
        Assert.Equal(run, claims["run"]!.GetValue<string>());
        Assert.Equal(1, claims["attempt"]!.GetValue<int>());
        Assert.False(claims["runner_shared"]!.GetValue<bool>());
        Assert.Contains("deploy", claims["sub"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.InRange(claims["exp"]!.GetValue<long>() - claims["iat"]!.GetValue<long>(), 1, 3600);
    }

    private async Task RegisterAsync(Installation installation, string workspace, string collection, string bash)
    {
        await installation.ApplyAsync(Documents.Workspace(workspace, DefaultAudience), Documents.Collection(workspace, collection));
        var registered = await installation.LanyardAsync(
            "cluster", "register", "--kubeconfig", cluster.KubeconfigPath, "--workspace", workspace, "--slug", "build", "--create", "--yes");
        registered.Succeeded();
        Assert.DoesNotContain("eyJ", registered.Output + registered.Errors, StringComparison.Ordinal);
        await installation.ApplyAsync(
            Documents.Definition(workspace, collection, "deploy", bash, $"audiences: [{{audience: '{Audience}'}}]", "oidc: true"),
            Documents.ClusterRunner(workspace, "k8s", "build", "system:serviceaccount:lanyard:lanyard-runner", collection));
    }

    private async Task<string> RunnerTokenFileAsync(Installation installation) =>
        installation.WriteFile(await cluster.RequestTokenAsync("lanyard", "lanyard-runner", [installation.Url]));

    private static async Task<bool> IntrospectAsync(Installation installation, string token)
    {
        var (status, body) = await installation.PostFormAsync("/oidc/acme/introspect", await installation.AdminTokenAsync(), ("token", token));
        Assert.Equal(200, status);
        return body!["active"]!.GetValue<bool>();
    }
}
