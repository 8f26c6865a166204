using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>An installation with one definition, whose step says run and attempt, and waits to be let go.</summary>
internal sealed class FaultScene : IAsyncDisposable
{
    /// <summary>A step that does not hear the polite signal, so that its run is canceling until the grace is over.</summary>
    public const string Deaf = "trap '' TERM; ";

    /// <summary>Longer than an offer and a lease together: 20 s and 60 s.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(150);

    public required Installation Installation { get; init; }

    /// <summary>The way of runners and CLI to the server.</summary>
    public required SwitchingFront Front { get; init; }

    public StepMailbox Mailbox { get; } = new();

    /// <param name="before">What the step does before it says its run and attempt.</param>
    /// <param name="database">For <c>--database</c>; null: SQLite.</param>
    public static async Task<FaultScene> StartAsync(string before = "", string? database = null)
    {
        var front = new SwitchingFront();
        var scene = new FaultScene { Front = front, Installation = await Installation.StartAsync(database, front) };
        await scene.Installation.ApplyAsync(
            Documents.Workspace("acme"),
            Documents.Collection("acme", "prod"),
            Documents.Definition("acme", "prod", "deploy", before + scene.Mailbox.Say("\"$LANYARD_RUN $LANYARD_ATTEMPT\"")));
        return scene;
    }

    public async Task<ChildProcess> StartRunnerAsync(string name = "host")
    {
        var runner = await Installation.StartApprovedRunnerAsync(name, ["acme/prod"]);
        await runner.WaitForErrorLineAsync("acme/prod", TimeSpan.FromSeconds(60));
        return runner;
    }

    public void StartRunnerAgain() => Installation.StartRunner("host", "--key-file", Installation.KeyFile("host"));

    public async Task<string> CreateRunAsync() => (await Installation.LanyardAsync("run", "deploy", "-w", "acme", "-c", "prod")).Succeeded();

    /// <summary>SIGKILL to the runner alone: what it started must end by itself.</summary>
    public static async Task KillAsync(ChildProcess runner)
    {
        runner.Signal(9);
        await runner.WaitForExitAsync();
    }

    public async Task<List<(int Number, string State)>> AttemptsAsync(string run)
    {
        using var client = Installation.CreateClient(await Installation.AdminTokenAsync());
        var view = JsonNode.Parse(await client.GetStringAsync(new Uri($"{Installation.Url}/v1/workspaces/acme/collections/prod/runs/{run}")))!;
        return [.. (view["attempts"] as JsonArray ?? []).Select(static a => (a!["attempt"]!.GetValue<int>(), a["state"]!.GetValue<string>()))];
    }

    /// <returns>A run whose step runs and is asked to end, and what it had said.</returns>
    public async Task<(string Run, StepMessage Message)> CancelRunningAsync()
    {
        var run = await CreateRunAsync();
        var message = await Mailbox.ReceiveAsync(Patience);
        (await Installation.LanyardAsync("cancel", run, "-w", "acme", "-c", "prod")).Succeeded();
        await Eventually.HoldsAsync(async () => (await AttemptsAsync(run))[^1].State == "canceling", "the run is canceling");
        return (run, message);
    }

    /// <returns>The first attempt of a run whose end is told, and the answer to it held: what the step had said.</returns>
    public async Task<(string Run, StepMessage Message)> HoldEndAsync()
    {
        var run = await CreateRunAsync();
        var message = await Mailbox.ReceiveAsync(Patience);
        var held = Front.HoldAsync("/end HTTP");
        await message.AnswerAsync();
        await held.WaitAsync(Patience);
        return (run, message);
    }

    public Task EndsWellAsync(string run, string[] effects, params StepMessage[] said) => EndsAsync("succeeded", "ended", run, effects, said);

    public async Task EndsAsync(string state, string last, string run, string[] effects, params StepMessage[] said)
    {
        var view = await Installation.WaitForEndAsync("acme", "prod", run, Patience);
        var attempts = await AttemptsAsync(run);

        Assert.Equal(state, view["state"]!.GetValue<string>());
        Assert.Equal(Enumerable.Range(1, attempts.Count), attempts.Select(static a => a.Number));
        Assert.All(attempts, static a => Assert.Contains(a.State, (string[])["ended", "lost"]));
        Assert.Equal(last, attempts[^1].State);
        Assert.Equal(effects, said.Select(static message => message.Text));
        Assert.Equal(0, Mailbox.Drain());
        Assert.Empty(StepProcesses.Of(run));
        (await Installation.LanyardAsync("audit", "--verify")).Succeeded();
    }

    public async ValueTask DisposeAsync()
    {
        await Installation.DisposeAsync();
        await Front.DisposeAsync();
        await Mailbox.DisposeAsync();
    }
}
