using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>
/// SIGKILL to server and runner at each state of a run. Whatever was killed: the run ends, its attempts are numbered without a gap, at most one of
/// them lives, each step says its effect at most once for each attempt, and no process of a step is left.
/// </summary>
[Needs("bwrap")]
[Line("2.8")]
[Line("2.9")]
public sealed class KilledProcessesTests
{
    // Longer than an offer and a lease together: 20 s and 60 s.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(150);

    [Fact]
    public async Task A_server_killed_while_a_run_is_queued_has_it_still()
    {
        await using var scene = await Scene.StartAsync();
        var run = await scene.CreateRunAsync();
        await scene.Installation.KillServerAsync();

        await scene.Installation.StartServerAsync();
        await scene.StartRunnerAsync();
        var message = await scene.Mailbox.ReceiveAsync(Patience);
        await message.AnswerAsync();

        await scene.EndsWellAsync(run, [$"{run} 1"], message);
    }

    [Fact]
    public async Task A_run_goes_on_in_its_first_attempt_while_the_server_is_killed_and_comes_back()
    {
        await using var scene = await Scene.StartAsync();
        await scene.StartRunnerAsync();
        var run = await scene.CreateRunAsync();
        var message = await scene.Mailbox.ReceiveAsync(Patience);

        await scene.Installation.KillServerAsync();
        await scene.Installation.StartServerAsync();
        await message.AnswerAsync();

        await scene.EndsWellAsync(run, [$"{run} 1"], message);
    }

    [Fact]
    public async Task A_server_killed_while_a_run_ends_loses_nothing_of_its_end()
    {
        await using var scene = await Scene.StartAsync();
        await scene.StartRunnerAsync();
        var run = await scene.CreateRunAsync();
        var message = await scene.Mailbox.ReceiveAsync(Patience);

        // The end is reported to a server that is not there.
        await scene.Installation.KillServerAsync();
        await message.AnswerAsync();
        await Eventually.HoldsAsync(() => Task.FromResult(StepProcesses.Of(run).Count == 0), "the step has ended");
        await scene.Installation.StartServerAsync();

        await scene.EndsWellAsync(run, [$"{run} 1"], message);
    }

    [Fact]
    public async Task An_offer_to_a_killed_runner_lapses_and_another_runner_takes_the_next_attempt()
    {
        await using var scene = await Scene.StartAsync();
        var runner = await scene.StartRunnerAsync();
        // Its poll is open long before this command has ended. Stopped, it holds it open: the server offers, nobody accepts.
        await scene.Installation.LanyardJsonAsync("get", "runner", "host", "-w", "acme");
        runner.Signal(19);
        var run = await scene.CreateRunAsync();
        await Eventually.HoldsAsync(async () => (await scene.AttemptsAsync(run)).Any(static a => a.State == "offered"), "the run is offered", Patience);
        await Scene.KillAsync(runner);

        await scene.StartRunnerAsync("spare");
        var message = await scene.Mailbox.ReceiveAsync(Patience);
        await message.AnswerAsync();

        await scene.EndsWellAsync(run, [$"{run} 2"], message);
    }

    [Fact]
    public async Task A_server_killed_while_a_run_is_offered_offers_it_again_and_one_attempt_does_it()
    {
        await using var scene = await Scene.StartAsync();
        var runner = await scene.StartRunnerAsync();
        await scene.Installation.LanyardJsonAsync("get", "runner", "host", "-w", "acme");
        runner.Signal(19);
        var run = await scene.CreateRunAsync();
        await Eventually.HoldsAsync(async () => (await scene.AttemptsAsync(run)).Any(static a => a.State == "offered"), "the run is offered", Patience);

        await scene.Installation.KillServerAsync();
        await scene.Installation.StartServerAsync();
        runner.Signal(18);
        var message = await scene.Mailbox.ReceiveAsync(Patience);
        await message.AnswerAsync();

        // Whether the offer had reached the runner, or lapsed.
        await scene.EndsWellAsync(run, [$"{run} {(await scene.AttemptsAsync(run)).Count}"], message);
    }

    [Fact]
    public async Task A_runner_killed_between_its_acceptance_and_its_start_has_done_nothing_and_the_next_attempt_does_it()
    {
        await using var scene = await Scene.StartAsync();
        var runner = await scene.StartRunnerAsync();
        var held = scene.Front.HoldAsync("/start HTTP");
        var run = await scene.CreateRunAsync();
        await held.WaitAsync(Patience);
        Assert.Equal([(1, "accepted")], await scene.AttemptsAsync(run));

        await Scene.KillAsync(runner);
        scene.Front.LoseHeld();
        scene.StartRunnerAgain();
        var message = await scene.Mailbox.ReceiveAsync(Patience);
        Assert.Single(await scene.AttemptsAsync(run), static a => a.State is not ("ended" or "lost"));
        await message.AnswerAsync();

        await scene.EndsWellAsync(run, [$"{run} 2"], message);
    }

    [Fact]
    public async Task A_server_killed_between_a_runs_acceptance_and_its_start_has_it_in_its_first_attempt_still()
    {
        await using var scene = await Scene.StartAsync();
        await scene.StartRunnerAsync();
        var held = scene.Front.HoldAsync("/start HTTP");
        var run = await scene.CreateRunAsync();
        await held.WaitAsync(Patience);
        Assert.Equal([(1, "accepted")], await scene.AttemptsAsync(run));

        await scene.Installation.KillServerAsync();
        scene.Front.LoseHeld();
        await scene.Installation.StartServerAsync();
        var message = await scene.Mailbox.ReceiveAsync(Patience);
        await message.AnswerAsync();

        await scene.EndsWellAsync(run, [$"{run} 1"], message);
    }

    [Fact]
    public async Task A_runner_killed_while_it_cancels_leaves_no_process_and_the_run_is_canceled_and_not_tried_again()
    {
        await using var scene = await Scene.StartAsync(Deaf);
        var runner = await scene.StartRunnerAsync();
        var (run, message) = await scene.CancelRunningAsync();

        await Scene.KillAsync(runner);
        await Eventually.HoldsAsync(() => Task.FromResult(StepProcesses.Of(run).Count == 0), "the killed runner's step is gone");
        scene.StartRunnerAgain();

        await scene.EndsAsync("canceled", "lost", run, [$"{run} 1"], message);
    }

    [Fact]
    public async Task A_server_killed_while_a_run_is_canceling_hears_of_its_end_afterwards()
    {
        await using var scene = await Scene.StartAsync(Deaf);
        await scene.StartRunnerAsync();
        var (run, message) = await scene.CancelRunningAsync();

        await scene.Installation.KillServerAsync();
        await Eventually.HoldsAsync(() => Task.FromResult(StepProcesses.Of(run).Count == 0), "the grace is over and the step is dead", Patience);
        await scene.Installation.StartServerAsync();

        await scene.EndsAsync("canceled", "ended", run, [$"{run} 1"], message);
    }

    [Fact]
    public async Task A_runner_killed_while_it_reports_the_end_leaves_a_lost_attempt_and_the_run_ends_in_the_next()
    {
        await using var scene = await Scene.StartAsync();
        var runner = await scene.StartRunnerAsync();
        var run = await scene.CreateRunAsync();
        var first = await scene.Mailbox.ReceiveAsync(Patience);
        var held = scene.Front.HoldAsync("/end HTTP");
        await first.AnswerAsync();
        await held.WaitAsync(Patience);

        await Scene.KillAsync(runner);
        scene.Front.LoseHeld();
        scene.StartRunnerAgain();
        var second = await scene.Mailbox.ReceiveAsync(Patience);
        Assert.Single(await scene.AttemptsAsync(run), static a => a.State is not ("ended" or "lost"));
        await second.AnswerAsync();

        await scene.EndsWellAsync(run, [$"{run} 1", $"{run} 2"], first, second);
    }

    [Fact]
    public async Task A_runner_killed_with_a_running_step_leaves_no_process_and_the_run_ends_in_a_second_attempt()
    {
        await using var scene = await Scene.StartAsync();
        var runner = await scene.StartRunnerAsync();
        var run = await scene.CreateRunAsync();
        var first = await scene.Mailbox.ReceiveAsync(Patience);
        Assert.NotEmpty(StepProcesses.Of(run));

        await Scene.KillAsync(runner);
        await Eventually.HoldsAsync(() => Task.FromResult(StepProcesses.Of(run).Count == 0), "the killed runner's step is gone");
        scene.StartRunnerAgain();
        var second = await scene.Mailbox.ReceiveAsync(Patience);
        Assert.Single(await scene.AttemptsAsync(run), static a => a.State is not ("ended" or "lost"));
        await second.AnswerAsync();

        await scene.EndsWellAsync(run, [$"{run} 1", $"{run} 2"], first, second);
    }

    [Fact]
    public async Task Server_and_runner_killed_together_end_the_run_all_the_same()
    {
        await using var scene = await Scene.StartAsync();
        var runner = await scene.StartRunnerAsync();
        var run = await scene.CreateRunAsync();
        var first = await scene.Mailbox.ReceiveAsync(Patience);

        await scene.Installation.KillServerAsync();
        await Scene.KillAsync(runner);
        await scene.Installation.StartServerAsync();
        scene.StartRunnerAgain();
        var second = await scene.Mailbox.ReceiveAsync(Patience);
        await second.AnswerAsync();

        await scene.EndsWellAsync(run, [$"{run} 1", $"{run} 2"], first, second);
    }

    [Fact]
    [Line("5.8")]
    public async Task A_runner_that_stood_still_beyond_its_lease_kills_its_step_when_it_goes_on_and_anothers_attempt_counts()
    {
        await using var scene = await Scene.StartAsync();
        var runner = await scene.StartRunnerAsync();
        var run = await scene.CreateRunAsync();
        var first = await scene.Mailbox.ReceiveAsync(Patience);
        runner.Signal(19);
        await scene.StartRunnerAsync("spare");
        var second = await scene.Mailbox.ReceiveAsync(Patience);
        Assert.Equal([(1, "lost"), (2, "running")], await scene.AttemptsAsync(run));

        // What it says now is of an attempt that is another's: it is refused, and its step is killed.
        runner.Signal(18);
        await Eventually.HoldsAsync(() => Task.FromResult(StepProcesses.Of(run, attempt: 1).Count == 0), "the late runner's step is dead");
        await second.AnswerAsync();

        await scene.EndsWellAsync(run, [$"{run} 1", $"{run} 2"], first, second);
    }

    [Fact]
    [Line("5.8")]
    public async Task A_server_that_stands_still_for_a_while_costs_time_only()
    {
        await using var scene = await Scene.StartAsync();
        await scene.StartRunnerAsync();
        var run = await scene.CreateRunAsync();
        var message = await scene.Mailbox.ReceiveAsync(Patience);

        scene.Installation.Server.Signal(19);
        await message.AnswerAsync();
        await Eventually.HoldsAsync(() => Task.FromResult(StepProcesses.Of(run).Count == 0), "the step has ended");
        await Task.Delay(TimeSpan.FromSeconds(5), TimeProvider.System, TestContext.Current.CancellationToken); // the fault itself: the end is told to nobody
        scene.Installation.Server.Signal(18);

        await scene.EndsWellAsync(run, [$"{run} 1"], message);
    }

    /// <summary>A step that does not hear the polite signal, so that its run is canceling until the grace is over.</summary>
    private const string Deaf = "trap '' TERM; ";

    /// <summary>An installation with one definition, whose step says run and attempt, and waits to be let go.</summary>
    private sealed class Scene : IAsyncDisposable
    {
        public required Installation Installation { get; init; }

        /// <summary>The way of runners and CLI to the server.</summary>
        public required SwitchingFront Front { get; init; }

        public StepMailbox Mailbox { get; } = new();

        /// <param name="before">What the step does before it says its run and attempt.</param>
        public static async Task<Scene> StartAsync(string before = "")
        {
            var front = new SwitchingFront();
            var scene = new Scene { Front = front, Installation = await Installation.StartAsync(front: front) };
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
}
