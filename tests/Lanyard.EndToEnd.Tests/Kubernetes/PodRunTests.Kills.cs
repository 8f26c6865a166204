using System.Text.Json.Nodes;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Kubernetes;

/// <summary>The runner or the server is killed at states of a run in which a pod is yet to be made, ends, or is to end.</summary>
public sealed partial class PodRunTests
{
    [Fact]
    [Line("5.8")]
    public async Task A_runner_killed_between_its_acceptance_and_the_Job_has_run_nothing_and_the_next_attempt_does_it()
    {
        await pods.Cluster.StopApiServerAsync();
        var run = await pods.StartAsync("unborn", """[{name: main, script: "echo it ran"}]""");
        await StateIsAsync(run, "accepted");
        await KillRunnerAsync();
        await pods.Cluster.StartApiServerAsync();
        await pods.StartRunnerAsync();

        var view = await pods.EndAsync(run);

        Assert.True(view["state"]!.GetValue<string>() == "succeeded", $"{view}\n{pods.Runner.Errors}");
        Assert.Equal([(1, "lost"), (2, "ended")], Attempts(view));
        Assert.Equal(2, (await pods.LogAsync(run)).Split("it ran").Length);
        Assert.Equal("2", (await pods.Cluster.KubectlAsync(
            "get", "jobs", "-n", PodCluster.Namespace, "-l", $"lanyard.dev/run={run}", "-o", @"jsonpath={.items[*].metadata.labels.lanyard\.dev/attempt}")).Succeeded().Trim());
    }

    [Fact]
    [Line("5.8")]
    public async Task A_pod_that_ends_while_its_runner_is_dead_tells_its_end_itself_and_the_next_runner_changes_nothing()
    {
        var run = await pods.StartAsync("orphaned", Waits);
        await pods.WaitForLogAsync(run, "begun");
        await KillRunnerAsync();
        try
        {
            await pods.InPodAsync(run, ": > go");
            var view = await pods.EndAsync(run);
            Assert.True(view["state"]!.GetValue<string>() == "succeeded", view.ToString());
            Assert.True(view["attempts"]![0]!["logComplete"]!.GetValue<bool>());
        }
        finally
        {
            await pods.StartRunnerAsync();
        }

        Assert.Equal([(1, "ended")], Attempts(await pods.RunAsync(run)));
        await Eventually.HoldsAsync(async () => await PhaseAsync(run) is "Succeeded" or "", "the pod ends by itself");
    }

    [Fact]
    [Line("5.8")]
    public async Task A_runner_killed_while_its_pod_is_to_end_leaves_the_run_canceled_and_nothing_runs_on()
    {
        var run = await pods.StartAsync("deaf", """[{name: main, script: "trap '' TERM; echo begun; while true; do sleep 1; done"}]""", graceSeconds: 5);
        await pods.WaitForLogAsync(run, "begun");
        (await pods.Installation.LanyardAsync("cancel", run, "-w", "acme", "-c", "prod")).Succeeded();
        await StateIsAsync(run, "canceling", "ended");
        await KillRunnerAsync();
        try
        {
            var view = await pods.EndAsync(run);
            Assert.True(view["state"]!.GetValue<string>() == "canceled", view.ToString());
        }
        finally
        {
            await pods.StartRunnerAsync();
        }

        Assert.Equal([(1, "ended")], Attempts(await pods.RunAsync(run)));
        await Eventually.HoldsAsync(async () => await PhaseAsync(run) is "Succeeded" or "", "the pod ends by itself");
    }

    [Fact]
    [Line("5.8")]
    public async Task A_server_killed_while_a_pod_ends_hears_of_it_afterwards()
    {
        var run = await pods.StartAsync("unheard", Waits);
        await pods.WaitForLogAsync(run, "begun");
        var pod = (await pods.RunAsync(run))["attempts"]![0]!["pod"]!["name"]!.GetValue<string>();
        await pods.Installation.KillServerAsync();
        (await pods.Cluster.KubectlAsync("exec", "-n", PodCluster.Namespace, pod, "-c", "steps", "--", "sh", "-c", ": > go")).Succeeded();
        await pods.Installation.StartServerAsync();

        var view = await pods.EndAsync(run);

        Assert.True(view["state"]!.GetValue<string>() == "succeeded", $"{view}\n{pods.Runner.Errors}");
        Assert.Equal([(1, "ended")], Attempts(view));
        Assert.True(view["attempts"]![0]!["logComplete"]!.GetValue<bool>());
        Assert.Contains("went on", await pods.LogAsync(run), StringComparison.Ordinal);
    }

    private async Task KillRunnerAsync()
    {
        pods.Runner.Kill();
        await pods.Runner.WaitForExitAsync();
    }

    /// <param name="states">Any of them.</param>
    private Task StateIsAsync(string run, params string[] states) => Eventually.HoldsAsync(
        async () => Attempts(await pods.RunAsync(run)) is [.., var last] && states.Contains(last.State), () => $"{run} is {states[0]} ({pods.Runner.Errors})", TimeSpan.FromMinutes(1));

    private static List<(int Number, string State)> Attempts(JsonNode view) =>
        [.. (view["attempts"] as JsonArray ?? []).Select(static one => (one!["attempt"]!.GetValue<int>(), one["state"]!.GetValue<string>()))];
}
