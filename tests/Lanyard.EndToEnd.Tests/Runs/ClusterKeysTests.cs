using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Kube;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>Two real clusters that call themselves the same, as private clusters do, and one that changes its key.</summary>
[Needs("kube")]
public sealed class ClusterKeysTests
{
    // What every cluster of kubeadm is called.
    private const string SharedIssuer = "https://kubernetes.default.svc";
    private const string Pushed = "The cluster's keys were pushed: accepted";
    private const string Subject = "system:serviceaccount:lanyard:lanyard-runner";

    [Fact]
    [Line("2.3")]
    [Line("2.7")]
    public async Task Clusters_with_one_issuer_and_different_keys_stand_side_by_side_and_a_rotated_key_is_refused_until_it_is_registered()
    {
        await using var installation = await Installation.StartAsync();
        await using var first = NewCluster();
        await using var second = NewCluster();
        await Task.WhenAll(first.InitializeAsync().AsTask(), second.InitializeAsync().AsTask());
        await installation.ApplyAsync(Documents.Workspace("acme"), Documents.Collection("acme", "prod"));
        await RegisterAsync(installation, first, "first");
        await RegisterAsync(installation, second, "second");
        await installation.ApplyAsync(
            Documents.ClusterRunner("acme", "runner-1", "first", Subject, "prod"), Documents.ClusterRunner("acme", "runner-2", "second", Subject, "prod"));

        var ofFirst = await TokenAsync(installation, first);
        Assert.Equal("runner-1", await RunnerOfAsync(installation, ofFirst));
        Assert.Equal("runner-2", await RunnerOfAsync(installation, await TokenAsync(installation, second)));

        await first.RotateSigningKeyAsync();
        var ofNewKey = await TokenAsync(installation, first);
        Assert.Equal("The token's key is not known.", await RunnerOfAsync(installation, ofNewKey));
        Assert.Equal("runner-1", await RunnerOfAsync(installation, ofFirst));

        await RegisterAsync(installation, first, "first");
        Assert.Equal("runner-1", await RunnerOfAsync(installation, ofNewKey));
        Assert.Equal("runner-2", await RunnerOfAsync(installation, await TokenAsync(installation, second)));
    }

    [Fact]
    [Needs("bwrap")]
    [Line("2.3")]
    [Line("2.8")]
    [Line("5.2")]
    public async Task The_runner_of_a_private_cluster_tells_of_its_rotated_keys_itself_and_takes_runs_all_the_while()
    {
        await using var installation = await Installation.StartAsync();
        await using var cluster = NewCluster();
        await cluster.InitializeAsync();
        await using var mailbox = new StepMailbox();
        await installation.ApplyAsync(
            Documents.Workspace("acme"), Documents.Collection("acme", "prod"), Documents.Definition("acme", "prod", "deploy", mailbox.Say("\"$LANYARD_RUN\"")));
        await RegisterAsync(installation, cluster, "first", "--pusher", "lanyard-keys");
        await installation.ApplyAsync(Documents.ClusterRunner("acme", "k8s", "first", Subject, "prod"));
        await AllowPushingAsync(cluster);
        var old = await TokenAsync(installation, cluster);
        var tokenFile = installation.WriteFile(old);
        var runner = installation.StartRunner(
            "k8s", "--token-file", tokenFile, "--push-keys", "lanyard/lanyard-keys", "--kubeconfig", installation.WriteFile(await KubeconfigAsync(cluster)));
        await runner.WaitForErrorLineAsync(Pushed, TimeSpan.FromSeconds(60));
        await RunAsync(installation, mailbox);

        await cluster.RotateSigningKeyAsync();
        // The kubelet's part: a token of the new key, before anybody told the server of it.
        var ofNewKey = await TokenAsync(installation, cluster);
        File.Move(installation.WriteFile(ofNewKey), tokenFile, overwrite: true);
        await RunAsync(installation, mailbox);
        await Eventually.HoldsAsync(() => Task.FromResult(runner.Errors.Split(Pushed).Length > 2), "the new keys are pushed", TimeSpan.FromSeconds(90));
        await RunAsync(installation, mailbox);

        var pushes = (await installation.LanyardAsync("audit")).Succeeded().Split('\n').Where(static line => line.Contains("\"keys.push\"", StringComparison.Ordinal)).ToList();
        Assert.Single(pushes, static line => line.Contains("\"alarm\":\"true\"", StringComparison.Ordinal));
        Assert.DoesNotContain(pushes, static line => line.Contains("\"refused", StringComparison.Ordinal));
        runner.Kill();
        await runner.WaitForExitAsync();
        Assert.Equal("k8s", await RunnerOfAsync(installation, old));
        Assert.Equal("k8s", await RunnerOfAsync(installation, ofNewKey));

        // Nobody pushes any more: the next rotation raises the alarm.
        await cluster.RotateSigningKeyAsync(dropOld: true);
        Assert.DoesNotContain("stale", (await installation.LanyardAsync("cluster", "keys", "-w", "acme")).Succeeded(), StringComparison.Ordinal);
        var unknown = await TokenAsync(installation, cluster);
        await Eventually.HoldsAsync(
            async () =>
            {
                Assert.Equal("The token's key is not known.", await RunnerOfAsync(installation, unknown));
                return (await installation.LanyardAsync("cluster", "keys", "-w", "acme")).Succeeded().Contains("stale since", StringComparison.Ordinal);
            },
            "the keys are known to be stale",
            TimeSpan.FromSeconds(90));
        Assert.Contains("\"keys.stale\"", (await installation.LanyardAsync("audit")).Succeeded(), StringComparison.Ordinal);
        Assert.Equal("k8s", await RunnerOfAsync(installation, old));
    }

    [Fact]
    [Line("6.4")]
    public async Task A_service_account_that_was_deleted_in_a_cluster_that_nobody_can_call_is_nobody_here_a_moment_later()
    {
        await using var installation = await Installation.StartAsync();
        await using var cluster = NewCluster();
        await cluster.InitializeAsync();
        await installation.ApplyAsync(Documents.Workspace("acme"), Documents.Collection("acme", "prod"));
        await RegisterAsync(installation, cluster, "first", "--pusher", "lanyard-keys", "--review-tokens");
        await installation.ApplyAsync(Documents.ClusterRunner("acme", "k8s", "first", Subject, "prod"), """
            kind: TrustPolicy
            metadata: {workspace: acme, collection: prod, slug: ci}
            spec:
              issuer: cluster/first
              claims: {sub: 'system:serviceaccount:lanyard:ci'}
              allow: {roles: [viewer]}
            """);
        await AllowPushingAsync(cluster);
        await AllowReviewsAsync(cluster);
        await PostAsync(cluster, "/api/v1/namespaces/lanyard/serviceaccounts", """{"metadata":{"name":"ci"}}""");
        var token = await cluster.RequestTokenAsync("lanyard", "ci", [installation.Url]);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await LookAsync(installation, token));

        var runner = installation.StartRunner(
            "k8s", "--token-file", installation.WriteFile(await TokenAsync(installation, cluster)), "--push-keys", "lanyard/lanyard-keys", "--review-tokens",
            "--kubeconfig", installation.WriteFile(await KubeconfigAsync(cluster)));
        await Eventually.HoldsAsync(async () => await LookAsync(installation, token) == HttpStatusCode.OK, "the API server is asked", TimeSpan.FromSeconds(60));

        using (var response = await cluster.Client.DeleteAsync(new Uri("/api/v1/namespaces/lanyard/serviceaccounts/ci", UriKind.Relative)))
            Assert.True(response.IsSuccessStatusCode);
        await Eventually.HoldsAsync(async () => await LookAsync(installation, token) == HttpStatusCode.Unauthorized, "the deleted account is nobody", TimeSpan.FromSeconds(60));
        Assert.Contains("no longer takes the token", (await installation.LanyardAsync("audit")).Succeeded(), StringComparison.Ordinal);
        runner.Kill();
        await runner.WaitForExitAsync();
    }

    private static KubeCluster NewCluster() => new() { ApiServerFlags = [$"--service-account-issuer={SharedIssuer}"] };

    private static Task<string> TokenAsync(Installation installation, KubeCluster cluster) =>
        cluster.RequestTokenAsync("lanyard", "lanyard-runner", [installation.Url]);

    private static async Task RegisterAsync(Installation installation, KubeCluster cluster, string slug, params string[] more)
    {
        var said = await installation.LanyardAsync(
            ["cluster", "register", "--kubeconfig", cluster.KubeconfigPath, "--workspace", "acme", "--slug", slug, "--keys", "uploaded", "--create", "--yes", .. more]);
        said.Succeeded();
        Assert.Contains(SharedIssuer, said.Errors, StringComparison.Ordinal);
    }

    private static async Task RunAsync(Installation installation, StepMailbox mailbox)
    {
        var run = (await installation.LanyardAsync("run", "deploy", "-w", "acme", "-c", "prod")).Succeeded();
        var message = await mailbox.ReceiveAsync(TimeSpan.FromSeconds(90));
        Assert.Equal(run, message.Text);
        await message.AnswerAsync();
        Assert.Equal("succeeded", (await installation.WaitForEndAsync("acme", "prod", run))["state"]!.GetValue<string>());
    }

    /// <summary>What the documentation asks a cluster's admin for: the runner may make tokens of the pusher, and of nobody else.</summary>
    private static async Task AllowPushingAsync(KubeCluster cluster)
    {
        const string Rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/lanyard/";
        await PostAsync(cluster, Rbac + "roles", """
            {"metadata":{"name":"push-keys"},"rules":[{"apiGroups":[""],"resources":["serviceaccounts/token"],"resourceNames":["lanyard-keys"],"verbs":["create"]}]}
            """);
        await PostAsync(cluster, Rbac + "rolebindings", """
            {"metadata":{"name":"push-keys"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"push-keys"},
            "subjects":[{"kind":"ServiceAccount","name":"lanyard-runner","namespace":"lanyard"}]}
            """);
    }

    /// <summary>And for reviews: the runner may ask about tokens, of the whole cluster.</summary>
    private static async Task AllowReviewsAsync(KubeCluster cluster)
    {
        const string Rbac = "/apis/rbac.authorization.k8s.io/v1/";
        await PostAsync(cluster, Rbac + "clusterroles", """
            {"metadata":{"name":"lanyard-reviews"},"rules":[{"apiGroups":["authentication.k8s.io"],"resources":["tokenreviews"],"verbs":["create"]}]}
            """);
        await PostAsync(cluster, Rbac + "clusterrolebindings", """
            {"metadata":{"name":"lanyard-reviews"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"lanyard-reviews"},
            "subjects":[{"kind":"ServiceAccount","name":"lanyard-runner","namespace":"lanyard"}]}
            """);
    }

    private static async Task PostAsync(KubeCluster cluster, string path, string body)
    {
        using var content = new StringContent(body, System.Text.Encoding.UTF8, "application/json");
        using var response = await cluster.Client.PostAsync(new Uri(path, UriKind.Relative), content);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
    }

    private static async Task<HttpStatusCode> LookAsync(Installation installation, string token)
    {
        using var client = installation.CreateClient(token);
        using var response = await client.GetAsync(new Uri(installation.Url + "/v1/workspaces/acme/collections/prod"));
        return response.StatusCode;
    }

    /// <summary>The runner's own service account, as in its pod.</summary>
    private static async Task<string> KubeconfigAsync(KubeCluster cluster) => $$$"""
        apiVersion: v1
        kind: Config
        clusters: [{name: c, cluster: {server: "{{{cluster.Issuer}}}", certificate-authority: "{{{cluster.CaFile}}}"} }]
        users: [{name: u, user: {token: "{{{await cluster.RequestTokenAsync("lanyard", "lanyard-runner", [])}}}"} }]
        contexts: [{name: x, context: {cluster: c, user: u} }]
        current-context: x
        """;

    /// <returns>The runner that the token is known as, or the server's words of refusal.</returns>
    private static async Task<string> RunnerOfAsync(Installation installation, string token)
    {
        using var client = installation.CreateClient(token);
        var session = new JsonObject
        {
            ["nonce"] = Guid.NewGuid().ToString("N"),
            ["version"] = "1",
            ["concurrency"] = 1,
            ["labels"] = new JsonArray(),
            ["executors"] = new JsonArray("process"),
            ["sandboxed"] = true,
        };
        using var content = new StringContent(session.ToJsonString(), System.Text.Encoding.UTF8, "application/json");
        using var response = await client.PostAsync(new Uri(installation.Url + "/v1/runner/session"), content);
        var body = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        Assert.Equal(response.IsSuccessStatusCode ? HttpStatusCode.OK : HttpStatusCode.Unauthorized, response.StatusCode);
        return (body["name"] ?? body["title"])!.GetValue<string>();
    }
}
