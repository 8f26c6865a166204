using System.Text.Json.Nodes;
using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Kubernetes;
using Lanyard.Cli.Runner.Pods;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Kubernetes;

[Line("5.1")]
public sealed class JobManifestTests
{
    private static readonly KubernetesSettings Kubernetes = new(
        "lanyard:1", null, null, "runs", null, "lanyard-run", ["deployer"], TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(5));

    private static readonly RunnerSettings Settings = new(new Uri("https://lanyard.example/"), "/w", TokenFile: "/t", Kubernetes: Kubernetes);

    [Fact]
    [Line("5.2")]
    public void The_token_that_proves_the_pod_is_in_our_container_alone_and_no_other_token_is_in_the_Job()
    {
        var payload = Payload(new PodPayload("tools:1"));
        var job = JobManifest.Create(payload, Settings, "rnr_1").Value;
        var pod = job["spec"]!["template"]!["spec"]!;

        Assert.False(pod["automountServiceAccountToken"]!.GetValue<bool>());
        var identity = pod["volumes"]!.AsArray().Single(volume => volume!["projected"] is not null)!;
        Assert.Equal("https://lanyard.example", identity["projected"]!["sources"]![0]!["serviceAccountToken"]!["audience"]!.GetValue<string>());
        Assert.Equal(["lanyard"], pod["containers"]!.AsArray().Where(container => Mounts(container!).Contains("identity")).Select(Name));
        Assert.DoesNotContain(payload.RuntimeToken, job.ToJsonString(), StringComparison.Ordinal);
        Assert.DoesNotContain("secret", job.ToJsonString().Replace("/var/run/secrets/lanyard", "", StringComparison.Ordinal), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    [Line("6.4")]
    public void The_pod_says_of_which_workspace_it_is_whatever_others_call_its_service_account()
    {
        var pod = JobManifest.Create(Payload(new PodPayload("tools:1")), Settings, "rnr_1").Value["spec"]!["template"]!["spec"]!;
        var said = pod["containers"]!.AsArray().Single(container => Name(container!) == "lanyard")!["env"]!.AsArray()
            .ToDictionary(static one => one!["name"]!.GetValue<string>(), static one => one!["value"]!.GetValue<string>(), StringComparer.Ordinal);

        Assert.Equal(Payload(new PodPayload("tools:1")).Workspace, PodSettings.Read(said.GetValueOrDefault, [])!.Workspace);
    }

    /// <summary>An autoscaler that empties a node to save it would end what runs there.</summary>
    [Fact]
    public void No_autoscaler_moves_a_pod_that_is_at_work()
    {
        var annotations = JobManifest.Create(Payload(new PodPayload("tools:1")), Settings, "rnr_1").Value["spec"]!["template"]!["metadata"]!["annotations"]!;

        Assert.Equal(("false", "true"), (annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"]!.GetValue<string>(), annotations["karpenter.sh/do-not-disrupt"]!.GetValue<string>()));
    }

    [Fact]
    public void Every_container_keeps_to_the_restricted_standard_and_steps_can_not_write_where_commands_are()
    {
        var pod = JobManifest.Create(Payload(new PodPayload("tools:1", User: 1000)), Settings, "rnr_1").Value["spec"]!["template"]!["spec"]!;

        Assert.True(pod["securityContext"]!["runAsNonRoot"]!.GetValue<bool>());
        Assert.Equal(1000, pod["securityContext"]!["runAsUser"]!.GetValue<long>());
        Assert.Equal("RuntimeDefault", pod["securityContext"]!["seccompProfile"]!["type"]!.GetValue<string>());
        Assert.All(pod["containers"]!.AsArray(), container =>
        {
            Assert.False(container!["securityContext"]!["allowPrivilegeEscalation"]!.GetValue<bool>());
            Assert.Equal("ALL", container["securityContext"]!["capabilities"]!["drop"]![0]!.GetValue<string>());
        });
        var steps = pod["containers"]!.AsArray().Single(container => Name(container) == "steps")!;
        // Kubernetes would take $$ for a dollar, and $(…) for a variable.
        Assert.Equal(StepWrapper.Text("/lanyard/control"), steps["command"]![2]!.GetValue<string>().Replace("$$", "$", StringComparison.Ordinal));
        Assert.True(steps["volumeMounts"]!.AsArray().Single(mount => mount!["name"]!.GetValue<string>() == "control")!["readOnly"]!.GetValue<bool>());
    }

    [Fact]
    public void What_the_definition_says_is_what_the_pod_has()
    {
        var wanted = new PodPayload(
            "tools:1", "Always", "deployer", new Dictionary<string, string> { ["disk"] = "ssd" }, new Dictionary<string, string> { ["cpu"] = "1" },
            new Dictionary<string, string> { ["memory"] = "1Gi" });
        var job = JobManifest.Create(Payload(wanted), Settings, "rnr_1").Value;
        var pod = job["spec"]!["template"]!["spec"]!;
        var steps = pod["containers"]!.AsArray().Single(container => Name(container) == "steps")!;

        Assert.Equal(("tools:1", "Always"), (steps["image"]!.GetValue<string>(), steps["imagePullPolicy"]!.GetValue<string>()));
        Assert.Equal(("deployer", "ssd"), (pod["serviceAccountName"]!.GetValue<string>(), pod["nodeSelector"]!["disk"]!.GetValue<string>()));
        Assert.Equal(("1", "1Gi"), (steps["resources"]!["requests"]!["cpu"]!.GetValue<string>(), steps["resources"]!["limits"]!["memory"]!.GetValue<string>()));
        Assert.Equal(("Never", 0), (pod["restartPolicy"]!.GetValue<string>(), job["spec"]!["backoffLimit"]!.GetValue<int>()));
        // A pod that took as long as it may to come up still has all of its steps' time.
        Assert.True(job["spec"]!["activeDeadlineSeconds"]!.GetValue<int>() > Kubernetes.StartLimit.TotalSeconds + Payload(wanted).TimeoutSeconds + Payload(wanted).GraceSeconds);
        Assert.Equal("rnr_1", job["metadata"]!["labels"]![JobManifest.RunnerLabel]!.GetValue<string>());
    }

    [Fact]
    public void Without_an_image_or_with_a_service_account_of_others_there_is_no_Job()
    {
        Assert.True(JobManifest.Create(Payload(null), Settings, "rnr_1").IsRefused);
        Assert.True(JobManifest.Create(Payload(new PodPayload("tools:1", ServiceAccount: "lanyard-runner")), Settings, "rnr_1").IsRefused);
        Assert.False(JobManifest.Create(Payload(null), Settings with { Kubernetes = Kubernetes with { StepImage = "busybox" } }, "rnr_1").IsRefused);
    }

    [Theory]
    [InlineData("""{"waiting":{"reason":"ErrImageNeverPull","message":"not here"}}""", "failed", false)]
    [InlineData("""{"waiting":{"reason":"ImagePullBackOff"}}""", "failed", true)]
    [InlineData("""{"terminated":{"reason":"StartError","exitCode":128}}""", "failed", false)]
    [InlineData("""{"terminated":{"reason":"OOMKilled","exitCode":137}}""", "failed", true)]
    public void Trouble_of_the_steps_container_is_the_runs(string state, string outcome, bool isPatient)
    {
        var verdict = PodVerdict.Of(Pod("""{"running":{}}""", state))!;
        Assert.Equal((outcome, isPatient), (verdict.Outcome, verdict.Patience > 0));
    }

    [Fact]
    public void Trouble_of_our_container_or_of_the_pod_is_the_runners_and_waiting_is_none()
    {
        Assert.Equal("runner_error", PodVerdict.Of(Pod("""{"terminated":{"reason":"OOMKilled","exitCode":137}}""", """{"running":{}}"""))!.Outcome);
        Assert.Equal("runner_error", PodVerdict.Of(Pod("""{"running":{}}""", """{"running":{}}""") with { Reason = "Evicted" })!.Outcome);
        Assert.Null(PodVerdict.Of(Pod("""{"waiting":{"reason":"ContainerCreating"}}""", """{"waiting":{"reason":"PodInitializing"}}""")));
        Assert.Null(PodVerdict.Of(Pod("""{"running":{}}""", """{"running":{}}""")));
    }

    [Fact]
    [Line("5.6")]
    public void Our_container_sees_the_steps_folder_only_where_it_brings_and_fetches_plans()
    {
        static IEnumerable<string> MountsOfOurs(AttemptPayload payload) => Mounts(JobManifest.Create(payload, Settings, "rnr_1").Value["spec"]!["template"]!["spec"]!["containers"]!.AsArray()
            .Single(static container => Name(container) == "lanyard")!);

        Assert.DoesNotContain("work", MountsOfOurs(Payload(new PodPayload("tools:1"))));
        Assert.Contains("work", MountsOfOurs(Payload(new PodPayload("tools:1")) with { Opentofu = new OpentofuPayload("apply", null, null) }));
    }

    [Fact]
    public void A_Jobs_name_says_whose_it_is_and_labels_alone_do_not()
    {
        var key = new AttemptKey("run_01k0000000000000000000000a", 3);
        var job = JobManifest.Create(Payload(new PodPayload("tools:1")) with { Run = key.Run, Attempt = 3 }, Settings, "rnr_1").Value;
        Assert.Equal("run-01k0000000000000000000000a-3", JobManifest.NameOf(key));
        Assert.Equal(key, JobSweeper.KeyOf(job));
        job["metadata"]!["name"] = "somebodys";
        Assert.Null(JobSweeper.KeyOf(job));
    }

    private static AttemptPayload Payload(PodPayload? pod) => Payloads.Of(Payloads.Script("true")) with { Pod = pod };

    private static string Name(JsonNode? container) => container!["name"]!.GetValue<string>();

    private static List<string> Mounts(JsonNode container) => [.. container["volumeMounts"]!.AsArray().Select(Name)];

    private static PodState Pod(string lanyard, string steps) => PodState.Of((JsonObject)JsonNode.Parse($$$"""
        {"metadata":{"name":"p","uid":"u","labels":{"job-name":"j"}},
         "status":{"phase":"Running","containerStatuses":[{"name":"lanyard","state":{{{lanyard}}}},{"name":"steps","state":{{{steps}}}}]}}
        """)!)!;
}
