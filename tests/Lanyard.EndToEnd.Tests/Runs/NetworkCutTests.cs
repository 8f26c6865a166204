using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>A real runner in a network namespace of its own whose cable to the server is cut: no answer, no reset, nothing.</summary>
[Needs("bwrap")]
[Needs("root")]
[Line("5.8")]
public sealed class NetworkCutTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(180);
    private NetworkSpace _network = null!;
    private Installation _installation = null!;
    private ChildProcess _runner = null!;

    public async ValueTask InitializeAsync()
    {
        _network = await NetworkSpace.CreateAsync();
        _installation = await Installation.StartAsync(address: _network.Host);
        await _installation.ApplyAsync(Documents.Workspace("acme"), Documents.Collection("acme", "prod"));
        _runner = ChildProcess.Start("ip", _network.Inside(
            Repo.Lanyard, "runner", "--server", _installation.Url, "--ca-file", _installation.CertificateFile!, "--work-dir", Path.Combine(_installation.Folder, "work"), "--name", "cut-off",
            "--key-file", _installation.KeyFile("cut-off")));
        var words = await _runner.WaitForErrorLineAsync("lanyard runner approve ", TimeSpan.FromSeconds(90));
        var fingerprint = words[(words.IndexOf("approve ", StringComparison.Ordinal) + "approve ".Length)..].Split(' ')[0];
        (await _installation.LanyardAsync("runner", "approve", fingerprint, "--name", "cut-off", "--collection", "acme/prod")).Succeeded();
        await _runner.WaitForErrorLineAsync("has a session at", TimeSpan.FromSeconds(90));
    }

    public async ValueTask DisposeAsync()
    {
        if (_runner is not null) await _runner.DisposeAsync();
        if (_installation is not null) await _installation.DisposeAsync();
        if (_network is not null) await _network.DisposeAsync();
    }

    [Fact]
    public async Task A_runner_that_stays_cut_off_kills_its_step_before_the_server_gives_the_run_away()
    {
        var run = await StartAsync("echo attempt $LANYARD_ATTEMPT; if [ $LANYARD_ATTEMPT = 1 ]; then sleep 900; fi; echo done");
        await SaysAsync(run, "attempt 1");
        await _network.CutAsync();
        await Eventually.HoldsAsync(() => Task.FromResult(StepProcesses.Of(run).Count == 0), "the runner has killed its step", Patience);
        Assert.Equal("running", (await ViewAsync(run))["attempts"]![0]!["state"]!.GetValue<string>());

        await Eventually.HoldsAsync(async () => (await ViewAsync(run))["attempts"]![0]!["state"]!.GetValue<string>() == "lost", "the server has noticed", Patience);
        await _network.MendAsync();
        var view = await _installation.WaitForEndAsync("acme", "prod", run, Patience);
        Assert.Equal("succeeded", view["state"]!.GetValue<string>());
        Assert.Equal(["lost", "ended"], view["attempts"]!.AsArray().Select(static attempt => attempt!["state"]!.GetValue<string>()));
        Assert.Empty(StepProcesses.Of(run));
    }

    [Fact]
    public async Task A_short_cut_costs_time_only_and_no_line_of_the_log()
    {
        var run = await StartAsync("i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo line $i of it; sleep 0.2; done");
        await SaysAsync(run, "line 10 of it");
        await _network.CutAsync();
        await Task.Delay(TimeSpan.FromSeconds(12), TimeProvider.System, TestContext.Current.CancellationToken); // the fault itself
        await _network.MendAsync();

        var view = await _installation.WaitForEndAsync("acme", "prod", run, Patience);
        Assert.Equal("succeeded", view["state"]!.GetValue<string>());
        Assert.True(Assert.Single(view["attempts"]!.AsArray())!["logComplete"]!.GetValue<bool>());
        Assert.Equal(Enumerable.Range(1, 100).Select(static i => $"line {i} of it"), (await LogAsync(run)).Split('\n').Where(static line => line.StartsWith("line ", StringComparison.Ordinal)));
    }

    private async Task<string> StartAsync(string script)
    {
        await _installation.ApplyAsync(Documents.Definition("acme", "prod", "long", script));
        return (await _installation.LanyardAsync("run", "long", "-w", "acme", "-c", "prod")).Succeeded().Trim();
    }

    private Task SaysAsync(string run, string words) => Eventually.HoldsAsync(async () => (await LogAsync(run)).Contains(words, StringComparison.Ordinal), $"{run} says {words}", Patience);

    private async Task<string> LogAsync(string run) => (await _installation.LanyardAsync("logs", run, "-w", "acme", "-c", "prod")).Output;

    private async Task<JsonNode> ViewAsync(string run)
    {
        using var client = _installation.CreateClient(await _installation.AdminTokenAsync());
        return JsonNode.Parse(await client.GetStringAsync(new Uri($"{_installation.Url}/v1/workspaces/acme/collections/prod/runs/{run}")))!;
    }
}
