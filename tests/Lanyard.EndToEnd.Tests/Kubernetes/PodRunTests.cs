using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Kube;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Kubernetes;

/// <summary>Real runs in real pods: a busybox image in which nothing is ours, beside a container of the published program.</summary>
[Needs("kube")]
[Line("5.1")]
public sealed partial class PodRunTests(PodCluster pods) : IClassFixture<PodCluster>
{
    private const string Waits = """[{name: main, script: "echo begun; until [ -e go ]; do sleep 0.2; done; echo went on"}]""";

    [Fact]
    [Line("5.2")]
    public async Task A_run_runs_in_a_pod_of_its_own_and_has_its_identity_by_the_pods_token_alone()
    {
        var run = await pods.StartAsync("first", $$$"""
            [
              {name: who, script: "id -u; echo mount: $(ls /var/run/secrets 2>/dev/null); pwd; echo \"$GREETING\" >&2", environment: {GREETING: "it's me"}},
              {name: asks, argv: [sh, -euc, 'wget -qO- --header "Authorization: Bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" "$ACTIONS_ID_TOKEN_REQUEST_URL&audience={{{PodCluster.Audience}}}" > token; cat token; echo']},
              {name: given, script: "echo $LANYARD_OIDC_TOKEN; stat -c %s token", oidc: {audiences: ['{{{PodCluster.Audience}}}']}},
            ]
            """);
        var view = await pods.EndAsync(run);
        var log = await pods.LogAsync(run);

        Assert.True(view["state"]!.GetValue<string>() == "succeeded", $"{view}\n{log}\n{pods.Runner.Errors}");
        Assert.Contains("65532", log, StringComparison.Ordinal);
        Assert.Contains("mount:\n", log, StringComparison.Ordinal);
        Assert.Contains("/lanyard/work", log, StringComparison.Ordinal);
        Assert.Contains("it's me", log, StringComparison.Ordinal);
        Assert.Contains("\"value\":\"***", log, StringComparison.Ordinal);
        Assert.DoesNotContain("\neyJ", log, StringComparison.Ordinal);
        Assert.True(view["attempts"]![0]!["logComplete"]!.GetValue<bool>());
        await Eventually.HoldsAsync(async () => PodCluster.Reasons(await pods.RunAsync(run)).Contains("Started"), "what the kubelet said comes too, after the end if it must");
        await Eventually.HoldsAsync(
            async () => (await pods.Cluster.KubectlAsync("get", "jobs", "-n", PodCluster.Namespace, "-l", $"lanyard.dev/run={run}", "-o", "jsonpath={.items[*].status.succeeded}"))
                .Succeeded().Trim() == "1",
            "the Job completes");
        Assert.DoesNotContain("eyJ", pods.Runner.Errors + pods.Installation.Server.Errors, StringComparison.Ordinal);
    }

    [Fact]
    [Line("5.2")]
    public async Task Only_the_attempts_own_pod_gets_anything_and_only_while_the_attempt_lives()
    {
        var run = await pods.StartAsync("walled", Waits);
        await pods.WaitForLogAsync(run, "begun");
        var pod = (await pods.RunAsync(run))["attempts"]![0]!["pod"]!;
        var own = new PodReference(pod["name"]!.GetValue<string>(), pod["uid"]!.GetValue<string>());
        var second = await pods.Cluster.CreatePodAsync(PodCluster.Namespace, "second", "lanyard-run");
        await pods.Cluster.CreateNamespaceAsync("elsewhere");
        await pods.Cluster.CreateServiceAccountAsync("elsewhere", "lanyard-run");
        var foreign = await pods.Cluster.CreatePodAsync("elsewhere", "second", "lanyard-run");
        var token = await TokenAsync(PodCluster.Namespace, own);

        var given = await AskAsync(run, token);
        Assert.Equal(HttpStatusCode.OK, given.Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(run, await TokenAsync(PodCluster.Namespace, second))).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(run, await TokenAsync("elsewhere", foreign))).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(run, await TokenAsync(PodCluster.Namespace, null))).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await AskAsync("run_01k00000000000000000000000", token)).Status);
        var runtime = given.Body!["runtimeToken"]!.GetValue<string>();
        Assert.Equal(HttpStatusCode.OK, await WhoAmIAsync(runtime));
        Assert.NotEqual(200, (await pods.Installation.PostFormAsync(
            "/oidc/acme/token", null, ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), ("subject_token", token),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"), ("audience", PodCluster.Audience))).Status);

        await pods.InPodAsync(run, ": > go");
        Assert.Equal("succeeded", (await pods.EndAsync(run))["state"]!.GetValue<string>());
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(run, token)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, await WhoAmIAsync(runtime));
    }

    [Fact]
    public async Task A_cancel_reaches_the_pod_and_nothing_runs_on()
    {
        var run = await pods.StartAsync("canceled", """[{name: main, script: "trap 'echo saved; exit 9' TERM; echo begun; sleep 600 & wait"}, {name: never, script: "echo never"}]""");
        await pods.WaitForLogAsync(run, "begun");
        (await pods.Installation.LanyardAsync("cancel", run, "-w", "acme", "-c", "prod")).Succeeded();
        var view = await pods.EndAsync(run);
        var log = await pods.LogAsync(run);

        Assert.True(view["state"]!.GetValue<string>() == "canceled", $"{view}\n{log}");
        Assert.Contains("saved", log, StringComparison.Ordinal);
        Assert.DoesNotContain("never", log, StringComparison.Ordinal);
        await Eventually.HoldsAsync(async () => await PhaseAsync(run) is "Succeeded" or "", "the pod ends by itself");
    }

    [Fact]
    public async Task A_killed_runner_finds_its_pods_again_and_nothing_is_lost_or_run_twice()
    {
        var run = await pods.StartAsync("survivor", Waits);
        await pods.WaitForLogAsync(run, "begun");
        pods.Runner.Kill();
        await pods.Runner.WaitForExitAsync();
        await pods.StartRunnerAsync();
        await pods.Runner.WaitForErrorLineAsync("was left running by an earlier runner", TimeSpan.FromSeconds(30));

        await pods.InPodAsync(run, ": > go");
        var view = await pods.EndAsync(run);
        Assert.True(view["state"]!.GetValue<string>() == "succeeded", $"{view}\n{pods.Runner.Errors}");
        Assert.Single(view["attempts"]!.AsArray());
        Assert.Contains("went on", await pods.LogAsync(run), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_API_server_that_restarts_costs_no_run()
    {
        var run = await pods.StartAsync("patient", Waits);
        await pods.WaitForLogAsync(run, "begun");
        await pods.Cluster.StopApiServerAsync();
        var queued = await pods.StartAsync("queued", """[{name: main, script: "echo late"}]""");
        await pods.Runner.WaitForErrorLineAsync("could not be reached", TimeSpan.FromSeconds(60));
        await pods.Cluster.StartApiServerAsync();

        var late = await pods.EndAsync(queued);
        await pods.InPodAsync(run, ": > go");
        var view = await pods.EndAsync(run);
        Assert.True(view["state"]!.GetValue<string>() == "succeeded", $"{view}\n{pods.Runner.Errors}");
        Assert.True(late["state"]!.GetValue<string>() == "succeeded", $"{late}\n{pods.Runner.Errors}");
        Assert.True(view["attempts"]!.AsArray().Count == 1, $"{view}\n{pods.Runner.Errors}");
        Assert.True(late["attempts"]!.AsArray().Count == 1, $"{late}\n{pods.Runner.Errors}");
    }

    [Fact]
    public async Task An_image_that_can_not_be_had_fails_the_run_and_says_why()
    {
        var run = await pods.StartAsync("absent", """[{name: main, script: "true"}]""", "{image: 'docker.io/test/absent:1', imagePullPolicy: Never}");
        var view = await pods.EndAsync(run);

        Assert.Equal("failed", view["state"]!.GetValue<string>());
        Assert.Contains("ErrImageNeverPull", view["attempts"]![0]!["reason"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Contains("ErrImageNeverPull", PodCluster.Reasons(view));
    }

    [Fact]
    public async Task A_step_that_is_out_of_memory_says_so()
    {
        var run = await pods.StartAsync(
            "hungry", """[{name: main, script: "head -c 300000000 /dev/zero | tail -c 300000000 | head -c 10"}]""",
            $"{{image: '{PodCluster.Busybox}', imagePullPolicy: Never, limits: {{memory: 48Mi}}}}");
        var view = await pods.EndAsync(run);

        Assert.True(PodCluster.Reasons(view).Contains("OOMKilled"), $"{view}\n{await pods.LogAsync(run)}");
    }

    [Fact]
    public async Task A_pod_that_no_node_takes_is_in_the_timeline()
    {
        var run = await pods.StartAsync(
            "homeless", """[{name: main, script: "true"}]""", $"{{image: '{PodCluster.Busybox}', imagePullPolicy: Never, nodeSelector: {{kind: unknown}}}}");
        await Eventually.HoldsAsync(
            async () => PodCluster.Reasons(await pods.RunAsync(run)).Contains("FailedScheduling"), () => $"FailedScheduling is shown ({pods.Runner.Errors})", TimeSpan.FromMinutes(1));
        (await pods.Installation.LanyardAsync("cancel", run, "-w", "acme", "-c", "prod")).Succeeded();
        Assert.Equal("canceled", (await pods.EndAsync(run))["state"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_quota_that_lets_no_pod_in_is_in_the_timeline_and_waited_for()
    {
        (await pods.Cluster.KubectlAsync("create", "quota", "none", "-n", PodCluster.Namespace, "--hard=pods=0")).Succeeded();
        var run = await pods.StartAsync("frugal", """[{name: main, script: "true"}]""");
        try
        {
            await Eventually.HoldsAsync(
                async () => PodCluster.Reasons(await pods.RunAsync(run)).Contains("FailedCreate"), () => $"FailedCreate is shown ({pods.Runner.Errors})", TimeSpan.FromMinutes(1));
        }
        finally
        {
            (await pods.Cluster.KubectlAsync("delete", "quota", "none", "-n", PodCluster.Namespace)).Succeeded();
        }

        var view = await pods.EndAsync(run);
        Assert.Contains("exceeded quota: none", view["attempts"]![0]!["events"]!.ToJsonString(), StringComparison.Ordinal);
        Assert.True(view["state"]!.GetValue<string>() == "succeeded", $"{view}\n{pods.Runner.Errors}");
        Assert.Single(view["attempts"]!.AsArray());
    }

    [Fact]
    public async Task An_orphan_is_swept_and_a_stranger_stays()
    {
        var runner = System.Text.RegularExpressions.Regex.Match(pods.Runner.Errors, "rnr_[0-9a-z]+").Value;
        foreach (var (name, run, of) in new[] { ("run-01k00000000000000000000000-1", "run_01k00000000000000000000000", runner), ("bystander", "run_01k00000000000000000000001", "rnr_01k00000000000000000000000") })
        {
            (await pods.Cluster.KubectlAsync("create", "job", name, "-n", PodCluster.Namespace, "--image", "docker.io/test/absent:1")).Succeeded();
            (await pods.Cluster.KubectlAsync(
                "label", "job", name, "-n", PodCluster.Namespace, $"lanyard.dev/runner={of}", $"lanyard.dev/run={run}", "lanyard.dev/attempt=1")).Succeeded();
        }

        await Eventually.HoldsAsync(
            async () => (await pods.Cluster.KubectlAsync("get", "job", "run-01k00000000000000000000000-1", "-n", PodCluster.Namespace)).ExitCode != 0,
            () => $"the orphan is swept ({pods.Runner.Errors})", TimeSpan.FromMinutes(2));
        (await pods.Cluster.KubectlAsync("get", "job", "bystander", "-n", PodCluster.Namespace)).Succeeded();
    }

    [Fact]
    public async Task A_service_account_that_the_runner_does_not_allow_is_refused()
    {
        var run = await pods.StartAsync("greedy", """[{name: main, script: "true"}]""", $"{{image: '{PodCluster.Busybox}', imagePullPolicy: Never, serviceAccount: lanyard-runner}}");
        var view = await pods.EndAsync(run);
        Assert.Equal("failed", view["state"]!.GetValue<string>());
        Assert.Contains("does not allow the service account", view["attempts"]![0]!["reason"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    /// <summary>Nothing but the collection names an image and an account, and the pod has both.</summary>
    [Fact]
    public async Task A_definition_without_a_pod_block_has_image_and_service_account_of_its_collection()
    {
        await pods.CollectionAsync($"{{image: '{PodCluster.Busybox}', imagePullPolicy: Never, serviceAccount: lanyard-runner}}");
        try
        {
            var refused = await pods.EndAsync(await pods.StartAsync("bare", """[{name: main, script: "busybox | head -1"}]""", pod: null));
            Assert.Contains("does not allow the service account lanyard-runner", refused["attempts"]![0]!["reason"]!.GetValue<string>(), StringComparison.Ordinal);

            await pods.CollectionAsync($"{{image: '{PodCluster.Busybox}', imagePullPolicy: Never, serviceAccount: lanyard-run}}");
            var run = await pods.StartAsync("bare", """[{name: main, script: "busybox | head -1"}]""", pod: null);
            var view = await pods.EndAsync(run);
            Assert.True(view["state"]!.GetValue<string>() == "succeeded", $"{view}\n{await pods.LogAsync(run)}\n{pods.Runner.Errors}");
            Assert.Contains("BusyBox", await pods.LogAsync(run), StringComparison.Ordinal);
            Assert.Equal($"{PodCluster.Busybox} lanyard-run", await ImageAndAccountAsync(run));
        }
        finally
        {
            await pods.CollectionAsync(null);
        }
    }

    private async Task<string> ImageAndAccountAsync(string run) => (await pods.Cluster.KubectlAsync(
        "get", "pods", "-n", PodCluster.Namespace, "-l", $"lanyard.dev/run={run}", "-o",
        "jsonpath={.items[0].spec.containers[?(@.name==\"steps\")].image} {.items[0].spec.serviceAccountName}")).Succeeded().Trim();

    private async Task<string> PhaseAsync(string run) => (await pods.Cluster.KubectlAsync(
        "get", "pods", "-n", PodCluster.Namespace, "-l", $"lanyard.dev/run={run}", "-o", "jsonpath={.items[*].status.phase}")).Succeeded().Trim();

    private Task<string> TokenAsync(string @namespace, PodReference? pod) =>
        pods.Cluster.RequestTokenAsync(@namespace, "lanyard-run", [pods.Installation.Url], 600, pod);

    private async Task<(HttpStatusCode Status, JsonNode? Body)> AskAsync(string run, string token)
    {
        using var client = pods.Installation.CreateClient(token);
        using var response = await client.PostAsync(
            new Uri($"/v1/runner/attempts/{run}/1/accept", UriKind.Relative), JsonContent.Create(new AcceptRequest(""), RunnerJson.Default.AcceptRequest));
        var text = await response.Content.ReadAsStringAsync();
        return (response.StatusCode, text.Length == 0 ? null : JsonNode.Parse(text));
    }

    private async Task<HttpStatusCode> WhoAmIAsync(string token)
    {
        using var client = pods.Installation.CreateClient(token);
        using var response = await client.GetAsync(new Uri("/runtime/whoami", UriKind.Relative));
        return response.StatusCode;
    }
}
