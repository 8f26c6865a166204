using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Tofu;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>The real tool finds that somebody has changed by hand what it had made, and that somebody has taken it away.</summary>
[Needs("bwrap")]
[Needs("terraform")]
[Line("5.6")]
public sealed class DriftTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);
    private Installation _installation = null!;
    private WorldProvider _world = null!;
    private string _run = "";

    public async ValueTask InitializeAsync()
    {
        if (MachineParts.WhyAbsent("terraform") is not null) return;
        (_installation, _world) = (await Installation.StartAsync(), await WorldProvider.StartAsync());
        const string Main = $$"""
            terraform {
              required_providers {
                world = { source = "{{WorldProvider.Source}}" }
              }
            }
            resource "world_thing" "it" {
              value = "as planned"
            }
            """;
        await _installation.ApplyAsync(Documents.Workspace("acme"), Documents.Collection("acme", "prod"), $$"""
            kind: Definition
            metadata: {workspace: acme, collection: prod, slug: infra}
            spec:
              steps: []
              opentofu: {approval: false, files: {main.tf: {{JsonSerializer.Serialize(Main)}} } }
            """);
        await _installation.StartApprovedRunnerAsync("host", ["acme/prod"]);
    }

    public async ValueTask DisposeAsync()
    {
        if (_installation is null) return;
        await _installation.DisposeAsync();
        await _world.DisposeAsync();
    }

    [Fact]
    public async Task What_was_changed_or_taken_away_by_hand_is_counted_and_nothing_is_done_about_it_until_somebody_wants_it()
    {
        Assert.Equal((1, 0, 0, 0), await PlannedAsync("apply"));
        Assert.Equal(1, _world.Applied);
        Assert.Equal((0, 0, 0, 0), await PlannedAsync("drift"));
        var version = await VersionAsync();

        _world.ChangeByHand("by hand");
        Assert.Equal((0, 0, 0, 1), await PlannedAsync("drift"));
        Assert.Contains("1 drifted", await ShownAsync(), StringComparison.Ordinal);
        Assert.Equal((1, version), (_world.Applied, await VersionAsync()));
        Assert.Equal((0, 1, 0, 1), await PlannedAsync("apply"));
        Assert.Equal(2, _world.Applied);
        Assert.Equal((0, 0, 0, 0), await PlannedAsync("drift"));

        _world.TakeAway();
        Assert.Equal((0, 0, 0, 1), await PlannedAsync("drift"));
        Assert.Equal((1, 0, 0, 1), await PlannedAsync("plan"));
        Assert.Equal(2, _world.Applied);
    }

    /// <returns>To add, to change, to destroy, drifted.</returns>
    private async Task<(int Add, int Change, int Destroy, int Drifted)> PlannedAsync(string action)
    {
        _run = (await LanyardAsync("run", "infra", "--action", action, "--variable", "TF_REATTACH_PROVIDERS=" + _world.Reattach)).Succeeded().Trim();
        var view = await _installation.WaitForEndAsync("acme", "prod", _run, Deadline);
        Assert.True(view["state"]!.GetValue<string>() == "succeeded", $"{view} {(await LanyardAsync("logs", _run, "--attempt", "1")).Output}");
        int Of(string name) => view["plan"]![name]!.GetValue<int>();
        return (Of("add"), Of("change"), Of("destroy"), Of("drifted"));
    }

    private async Task<string> ShownAsync() => (await LanyardAsync("runs", _run)).Succeeded();

    private async Task<int> VersionAsync() => JsonNode.Parse((await LanyardAsync("state", "ls", "-o", "json")).Succeeded())!["items"]![0]!["version"]!.GetValue<int>();

    private Task<CommandResult> LanyardAsync(params string[] arguments) => _installation.LanyardAsync([.. arguments, "--workspace", "acme", "--collection", "prod"]);
}
