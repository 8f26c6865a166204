using System.Buffers.Text;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>From the words of an admin to a real runner and back: what keeps a run waiting is named by <c>lanyard why</c>, and once it is gone the runner takes the run.</summary>
[Needs("bwrap")]
[Line("5.5")]
public sealed class WaitingRunsTests
{
    private static readonly TimeSpan Patience = FaultScene.Patience;

    [Fact]
    public async Task Each_reason_is_named_while_it_holds_and_the_run_goes_once_it_does_not()
    {
        await using var scene = await FaultScene.StartAsync();
        var first = await CreateAsync(scene, "--label", "x64");
        await WaitsAsync(scene, first, "no_runner: no runner serves the collection");
        await scene.Installation.StartApprovedRunnerAsync("host", ["acme/prod"], "--concurrency", "1", "--label", "x64");
        var held = await scene.Mailbox.ReceiveAsync(Patience);
        Assert.Equal($"{first} 1", held.Text);

        await WaitsAsync(scene, await CreateAsync(scene, "--label", "gpu"), "no_runner_with_label: no runner with label gpu is online");
        var second = await CreateAsync(scene);
        await WaitsAsync(scene, second, "runner_at_capacity: runner host is at capacity (1 of 1)");

        await LanyardAsync(scene, "runner", "pause", "host", "-w", "acme");
        await EndAsync(scene, first, held);
        await WaitsAsync(scene, second, "runner_paused: runner host is paused");
        await LanyardAsync(scene, "runner", "resume", "host", "-w", "acme");
        held = await TakenAsync(scene, second);

        await LanyardAsync(scene, "collection", "pause", "prod", "-w", "acme");
        var third = await CreateAsync(scene);
        await EndAsync(scene, second, held);
        await WaitsAsync(scene, third, "collection_paused: the collection is paused");
        await LanyardAsync(scene, "collection", "resume", "prod", "-w", "acme");
        held = await TakenAsync(scene, third);

        await scene.Installation.ApplyAsync("kind: Collection\nmetadata: {workspace: acme, slug: prod}\nspec: {concurrency: 1}");
        var fourth = await CreateAsync(scene);
        await WaitsAsync(scene, fourth, "collection_limit: the collection has 1 attempts, and its limit is 1");
        await EndAsync(scene, third, held);
        held = await TakenAsync(scene, fourth);
        await EndAsync(scene, fourth, held);
    }

    [Fact]
    public async Task A_cordoned_runner_takes_what_names_it_and_a_drained_one_ends_with_what_it_holds()
    {
        await using var scene = await FaultScene.StartAsync();
        var runner = await scene.StartRunnerAsync();
        await LanyardAsync(scene, "runner", "cordon", "host", "-w", "acme");
        var plain = await CreateAsync(scene);
        await WaitsAsync(scene, plain, "runner_cordoned: runner host is cordoned: it takes only runs that name it");
        var named = await CreateAsync(scene, "--runner", "host");
        var held = await TakenAsync(scene, named);

        await LanyardAsync(scene, "runner", "drain", "host", "-w", "acme");
        await WaitsAsync(scene, plain, "runner_draining: runner host is being drained");
        Assert.False(runner.HasExited);
        await EndAsync(scene, named, held);
        Assert.Equal(0, await runner.WaitForExitAsync(Patience));
        Assert.Equal(0, scene.Mailbox.Drain());
    }

    [Fact]
    public async Task The_full_disk_of_a_runners_host_is_the_reason_and_the_runner_can_be_drained()
    {
        await using var scene = await FaultScene.StartAsync();
        var run = await CreateAsync(scene);
        var runner = await scene.Installation.StartApprovedRunnerAsync("host", ["acme/prod"], "--disk-reserve", "2000000000");

        await WaitsAsync(scene, run, "runner_no_room: runner host takes no run: the disk of its host is full");
        Assert.Equal("disk", (await scene.Installation.LanyardJsonAsync("get", "runner", "host", "-w", "acme"))["status"]!["noRoom"]!.GetValue<string>());
        await LanyardAsync(scene, "runner", "drain", "host", "-w", "acme");
        Assert.Equal(0, await runner.WaitForExitAsync(Patience));
    }

    [Fact]
    public async Task An_ephemeral_runner_ends_with_its_one_run_and_the_next_run_says_so()
    {
        await using var scene = await FaultScene.StartAsync();
        var runner = scene.Installation.StartRunner("host", "--key-file", scene.Installation.KeyFile("host"));
        var words = await runner.WaitForErrorLineAsync("lanyard runner approve ", TimeSpan.FromSeconds(60));
        var fingerprint = words[(words.IndexOf("approve ", StringComparison.Ordinal) + "approve ".Length)..].Split(' ')[0];
        await LanyardAsync(scene, "runner", "approve", fingerprint, "--name", "host", "--collection", "acme/prod", "--ephemeral");
        var run = await CreateAsync(scene);
        var held = await TakenAsync(scene, run);
        var next = await CreateAsync(scene);

        await EndAsync(scene, run, held);
        Assert.Equal(0, await runner.WaitForExitAsync(Patience));
        await WaitsAsync(scene, next, "runner_spent: runner host is ephemeral and has had its run");
        Assert.Equal(0, scene.Mailbox.Drain());
    }

    [Fact]
    public async Task A_shared_runner_takes_runs_of_two_workspaces_and_each_has_its_own_issuers_word()
    {
        await using var scene = await FaultScene.StartAsync();
        var ask = scene.Mailbox.Say("\"$(lanyard token --audience https://sts.example)\"");
        foreach (var workspace in (string[])["acme", "beta"])
        {
            await scene.Installation.ApplyAsync(
                Documents.Workspace(workspace), Documents.Collection(workspace, "prod"), Documents.Definition(workspace, "prod", "ask", ask, "audiences: [{audience: 'https://sts.example'}]"));
        }

        await scene.Installation.StartApprovedRunnerAsync("pool", ["acme/prod", "beta/prod"], "--concurrency", "2");
        var said = new List<string>();
        foreach (var workspace in (string[])["acme", "beta"])
        {
            var run = (await scene.Installation.LanyardAsync("run", "ask", "-w", workspace, "-c", "prod")).Succeeded().Trim();
            var message = await scene.Mailbox.ReceiveAsync(Patience);
            var claims = JsonNode.Parse(Base64Url.DecodeFromChars(message.Text.Split('.')[1]))!;
            Assert.Equal(
                (scene.Installation.IssuerOf(workspace), workspace, run, "pool", true),
                (claims["iss"]!.GetValue<string>(), claims["workspace"]!.GetValue<string>(), claims["run"]!.GetValue<string>(), claims["runner"]!.GetValue<string>(), claims["runner_shared"]!.GetValue<bool>()));
            await message.AnswerAsync();
            Assert.Equal("succeeded", (await scene.Installation.WaitForEndAsync(workspace, "prod", run, Patience))["state"]!.GetValue<string>());
        }
    }

    private static async Task<string> CreateAsync(FaultScene scene, params string[] more) =>
        (await scene.Installation.LanyardAsync(["run", "deploy", "-w", "acme", "-c", "prod", .. more])).Succeeded().Trim();

    private static async Task LanyardAsync(FaultScene scene, params string[] words) => (await scene.Installation.LanyardAsync(words)).Succeeded();

    private static async Task WaitsAsync(FaultScene scene, string run, string reason)
    {
        var said = "";
        await Eventually.HoldsAsync(
            async () => (said = (await scene.Installation.LanyardAsync("why", run, "-w", "acme", "-c", "prod")).Succeeded()).Contains("\n  " + reason, StringComparison.Ordinal),
            () => $"{reason}; it says: {said}", Patience);
        Assert.StartsWith($"{run} queued: it waits: ", said, StringComparison.Ordinal);
    }

    private static async Task<StepMessage> TakenAsync(FaultScene scene, string run)
    {
        var message = await scene.Mailbox.ReceiveAsync(Patience);
        Assert.Equal($"{run} 1", message.Text);
        return message;
    }

    private static async Task EndAsync(FaultScene scene, string run, StepMessage message)
    {
        await message.AnswerAsync();
        Assert.Equal("succeeded", (await scene.Installation.WaitForEndAsync("acme", "prod", run, Patience))["state"]!.GetValue<string>());
    }
}
