using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Kubernetes;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Kube;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Kubernetes;

/// <summary>A real API server of Kubernetes 1.20, with the restricted standard's rules as its admission, judges the pods of runs and the runner's own.</summary>
[Needs("kube")]
[Line("5.1")]
public sealed class AdmittedPodTests : IClassFixture<AdmittedPodTests.StrictCluster>
{
    private const string Restricted = """
        {"apiVersion": "policy/v1beta1", "kind": "PodSecurityPolicy",
         "metadata": {"name": "restricted", "annotations": {"seccomp.security.alpha.kubernetes.io/allowedProfileNames": "runtime/default"}},
         "spec": {"privileged": false, "allowPrivilegeEscalation": false, "requiredDropCapabilities": ["ALL"], "volumes": ["configMap", "emptyDir", "projected"],
          "hostNetwork": false, "hostPID": false, "hostIPC": false, "runAsUser": {"rule": "MustRunAsNonRoot"}, "seLinux": {"rule": "RunAsAny"},
          "supplementalGroups": {"rule": "RunAsAny"}, "fsGroup": {"rule": "MustRunAs", "ranges": [{"min": 1, "max": 65535}]}}}
        """;

    private readonly StrictCluster _cluster;

    public AdmittedPodTests(StrictCluster cluster) => _cluster = cluster;

    [Fact]
    public async Task The_pod_of_a_run_and_the_runners_own_are_admitted_as_they_are()
    {
        foreach (var pod in (JsonObject[])[OfARun(), await OfTheRunnerAsync()])
        {
            var admitted = await AskAsync(pod);

            Assert.True(admitted["kind"]!.GetValue<string>() == "Pod", admitted.ToJsonString());
            // Nothing was put right in passing: another cluster's admission only says no.
            foreach (var (asked, given) in Containers(pod).Zip(Containers(admitted)))
            {
                Assert.Equal(Sorted(asked["securityContext"]!), Sorted(given["securityContext"]!));
            }
        }
    }

    [Theory]
    [InlineData("securityContext", """{"runAsUser": 0}""")]
    [InlineData("securityContext", """{"runAsNonRoot": true, "runAsUser": 1000, "fsGroup": 0}""")]
    [InlineData("hostNetwork", "true")]
    [InlineData("volumes", """[{"name": "host", "hostPath": {"path": "/"}}]""")]
    public async Task What_the_standard_forbids_is_refused_here(string member, string value)
    {
        var pod = OfARun();
        pod["spec"]![member] = JsonNode.Parse(value);
        if (member == "volumes")
        {
            Containers(pod).ForEach(static container => container["volumeMounts"] = new JsonArray());
        }

        Assert.Contains("PodSecurityPolicy: unable to", (await AskAsync(pod))["message"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    /// <summary>What an API server does not know it leaves out in silence, and the pod is another than the one that was meant.</summary>
    [Fact]
    public async Task Kubernetes_1_20_knows_every_member_of_the_Job_but_its_end_by_itself()
    {
        var job = Job();
        job["spec"]!.AsObject().Remove("ttlSecondsAfterFinished"); // of 1.21: for Jobs whose runner is gone for good
        Assert.Equal("", Lost(job, await CreateAsync(job)));

        job["spec"]!["podReplacementPolicy"] = "Failed"; // of 1.28
        Assert.Equal("/spec/podReplacementPolicy", Lost(job, await CreateAsync(job)));
    }

    private static JsonObject Job()
    {
        var settings = new RunnerSettings(
            new Uri("https://lanyard.example/"), "/w", TokenFile: "/t", Kubernetes: new KubernetesSettings("lanyard:1", "Always", null, "default", null, "default", [], TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(5)));
        var pod = new PodPayload(
            "tools:1", "Always", null, new Dictionary<string, string> { ["disk"] = "ssd" }, new Dictionary<string, string> { ["cpu"] = "1" }, new Dictionary<string, string> { ["memory"] = "1Gi" });
        return JobManifest.Create(Payloads.Of(Payloads.Script("true")) with { Pod = pod, Opentofu = new OpentofuPayload("apply", null, null) }, settings, "rnr_1").Value;
    }

    private static JsonObject OfARun() => Pod(Job());

    private async Task<JsonObject> OfTheRunnerAsync()
    {
        var deployment = JsonNode.Parse((await _cluster.Kube.KubectlAsync(
            "create", "--dry-run=client", "-o", "json", "-f", Repo.At("deploy", "kubernetes", "runner", "deployment.yaml"))).Succeeded())!.AsObject();
        deployment["spec"]!["template"]!["spec"]!["serviceAccountName"] = "default";
        return Pod(deployment);
    }

    private static JsonObject Pod(JsonObject owner) => new()
    {
        ["apiVersion"] = "v1", ["kind"] = "Pod", ["metadata"] = new JsonObject { ["generateName"] = "asked-" }, ["spec"] = owner["spec"]!["template"]!["spec"]!.DeepClone(),
    };

    private static List<JsonNode> Containers(JsonNode pod) => [.. pod["spec"]!["containers"]!.AsArray().Select(static container => container!)];

    private static string Sorted(JsonNode node) => string.Join(", ", node.AsObject().OrderBy(static member => member.Key, StringComparer.Ordinal).Select(static member => $"{member.Key}={member.Value?.ToJsonString()}"));

    private Task<JsonNode> AskAsync(JsonObject pod) => PostAsync("/api/v1/namespaces/default/pods?dryRun=All", pod);

    private Task<JsonNode> CreateAsync(JsonObject job) => PostAsync("/apis/batch/v1/namespaces/default/jobs?dryRun=All", job);

    /// <summary>The first member of what was asked that is not in what was given.</summary>
    private static string Lost(JsonNode? asked, JsonNode? given, string at = "") => (asked, given) switch
    {
        (JsonObject map, JsonObject of) => map.Select(member => of.ContainsKey(member.Key) || IsNothing(member.Value) ? Lost(member.Value, of[member.Key], $"{at}/{member.Key}") : $"{at}/{member.Key}").FirstOrDefault(static lost => lost.Length > 0, ""),
        (JsonArray list, JsonArray of) => list.Zip(of).Select((pair, i) => Lost(pair.First, pair.Second, $"{at}/{i}")).FirstOrDefault(static lost => lost.Length > 0, ""),
        _ => "",
    };

    /// <summary>What is empty or false is left out of answers.</summary>
    private static bool IsNothing(JsonNode? value) => value is null or JsonArray { Count: 0 } or JsonObject { Count: 0 } || value.ToJsonString() is "false" or "\"\"";

    private async Task<JsonNode> PostAsync(string path, JsonObject body)
    {
        using var content = new StringContent(body.ToJsonString(), new MediaTypeHeaderValue("application/json"));
        using var response = await _cluster.Kube.Client.PostAsync(new Uri(path, UriKind.Relative), content, TestContext.Current.CancellationToken);
        return JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;
    }

    public sealed class StrictCluster : IAsyncLifetime
    {
        public KubeCluster Kube { get; } = new() { ApiServerFlags = ["--enable-admission-plugins=PodSecurityPolicy", "--disable-admission-plugins=ServiceAccount"] };

        public async ValueTask InitializeAsync()
        {
            await Kube.InitializeAsync();
            var file = Path.GetTempFileName();
            await File.WriteAllTextAsync(file, Restricted);
            (await Kube.KubectlAsync("create", "--validate=false", "-f", file)).Succeeded();
            File.Delete(file);
        }

        public ValueTask DisposeAsync() => Kube.DisposeAsync();
    }
}
