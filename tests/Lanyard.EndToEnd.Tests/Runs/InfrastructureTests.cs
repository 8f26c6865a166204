using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>The real tool, tofu or terraform, with its own state backend client, through runner and server.</summary>
[Needs("bwrap")]
[Needs("terraform")]
[Line("5.6")]
public sealed class InfrastructureTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);
    private Installation _installation = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        if (MachineParts.WhyAbsent("terraform") is not null) return;
        _installation = await Installation.StartAsync();
        await _installation.ApplyAsync(Documents.Workspace("acme"), Documents.Collection("acme", "prod"));
        await DefineAsync("first", "true");
        await _installation.StartApprovedRunnerAsync("host", ["acme/prod"]);
    }

    public async ValueTask DisposeAsync()
    {
        if (_installation is not null)
            await _installation.DisposeAsync();
    }

    [Fact]
    public async Task A_plan_is_approved_and_applied_as_it_was_made_then_nothing_is_left_to_do_and_everything_is_destroyed()
    {
        var run = await StartAsync();
        var held = await HeldAsync(run);
        Assert.Equal((1, 0, 0), (held["plan"]!["add"]!.GetValue<int>(), held["plan"]!["change"]!.GetValue<int>(), held["plan"]!["destroy"]!.GetValue<int>()));
        Assert.Contains("waits for a human", (await LanyardAsync("why", run)).Succeeded(), StringComparison.Ordinal);
        await DefineAsync("second", "true");
        (await LanyardAsync("approve", run)).Succeeded();
        var done = await _installation.WaitForEndAsync("acme", "prod", run, Deadline);
        Assert.True(done["state"]!.GetValue<string>() == "succeeded", await LogAsync(run, 2));
        Assert.Contains("value_of_it = \"first\"", await LogAsync(run, 2), StringComparison.Ordinal);

        var change = await StartAsync();
        Assert.Equal((0, 1), await HeldAsync(change) is var second ? (second["plan"]!["add"]!.GetValue<int>(), second["plan"]!["change"]!.GetValue<int>()) : default);
        (await LanyardAsync("discard", change)).Succeeded();
        Assert.Equal("canceled", (await _installation.WaitForEndAsync("acme", "prod", change, Deadline))["state"]!.GetValue<string>());

        await DefineAsync("first", "true");
        foreach (var action in (string[])["apply", "drift"])
        {
            var nothing = await _installation.WaitForEndAsync("acme", "prod", await StartAsync("--action", action), Deadline);
            Assert.Equal(("succeeded", 0, 0), (nothing["state"]!.GetValue<string>(), nothing["plan"]!["change"]!.GetValue<int>(), nothing["plan"]!["drifted"]!.GetValue<int>()));
        }

        var state = await StateAsync();
        Assert.True(state["version"]!.GetValue<int>() >= 1);
        Assert.Null(state["lock"]);
        var kept = Path.Combine(_installation.DataFolder, "kept.tfstate");
        await File.WriteAllTextAsync(kept, (await LanyardAsync("state", "pull", "infra")).Succeeded(), Cancel);
        var end = await StartAsync("--action", "destroy");
        Assert.Equal(1, (await HeldAsync(end))["plan"]!["destroy"]!.GetValue<int>());
        (await LanyardAsync("approve", end)).Succeeded();
        Assert.Equal("succeeded", (await _installation.WaitForEndAsync("acme", "prod", end, Deadline))["state"]!.GetValue<string>());

        // An older version is had back: what it knows of exists for the tool, and there is nothing to do.
        (await LanyardAsync("state", "push", "infra", kept)).Succeeded();
        var again = await _installation.WaitForEndAsync("acme", "prod", await StartAsync(), Deadline);
        Assert.Equal(("succeeded", 0), (again["state"]!.GetValue<string>(), again["plan"]!["add"]!.GetValue<int>()));
        Assert.Contains("pushed", (await LanyardAsync("state", "versions", "infra")).Succeeded(), StringComparison.Ordinal);
        foreach (var file in (string[])["lanyard.db", "lanyard.db-wal"])
            Assert.DoesNotContain("\"lineage\"", Encoding.Latin1.GetString(await ReadSharedAsync(Path.Combine(_installation.DataFolder, file))), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cancel_in_the_middle_of_an_apply_leaves_a_saved_state_and_no_lock()
    {
        await DefineAsync("first", "echo now-it-is-slow; sleep 300");
        var run = await StartAsync();
        await HeldAsync(run);
        (await LanyardAsync("approve", run)).Succeeded();
        await Eventually.HoldsAsync(async () => (await LogAsync(run, 2)).Contains("now-it-is-slow", StringComparison.Ordinal), "the apply is at its work", Deadline);
        (await LanyardAsync("cancel", run)).Succeeded();
        Assert.Equal("canceled", (await _installation.WaitForEndAsync("acme", "prod", run, Deadline))["state"]!.GetValue<string>());

        var state = await StateAsync();
        Assert.Null(state["lock"]);
        Assert.True(state["version"]!.GetValue<int>() >= 1);
        Assert.Equal(run, state["run"]!.GetValue<string>());
        await DefineAsync("first", "true");
        Assert.NotNull((await HeldAsync(await StartAsync()))["plan"]);
    }

    private Task DefineAsync(string value, string script)
    {
        var main = $$"""
            resource "terraform_data" "it" {
              input = { value = "{{value}}", hidden = "only-in-the-state" }
              provisioner "local-exec" {
                command = "{{script}}"
              }
            }
            output "value_of_it" {
              value = terraform_data.it.output.value
            }
            """;
        return _installation.ApplyAsync($$"""
            kind: Definition
            metadata: {workspace: acme, collection: prod, slug: infra}
            spec:
              graceSeconds: 60
              steps: []
              opentofu:
                files:
                  main.tf: {{System.Text.Json.JsonSerializer.Serialize(main)}}
            """);
    }

    private Task<Lanyard.Testing.Processes.CommandResult> LanyardAsync(params string[] arguments) =>
        _installation.LanyardAsync([.. arguments, "--workspace", "acme", "--collection", "prod"]);

    private async Task<string> StartAsync(params string[] more) => (await LanyardAsync(["run", "infra", .. more])).Succeeded().Trim();

    private async Task<JsonNode> HeldAsync(string run)
    {
        JsonNode view = new JsonObject();
        await Eventually.HoldsAsync(
            async () =>
            {
                view = JsonNode.Parse((await LanyardAsync("runs", run, "-o", "json")).Succeeded())!;
                if (view["finishedAt"] is not null)
                    throw new InvalidOperationException($"it ended: {view} {await LogAsync(run, 1)}");
                return view["waitingFor"] is not null;
            },
            $"{run} waits for approval",
            Deadline);
        return view;
    }

    private async Task<string> LogAsync(string run, int attempt) => (await LanyardAsync("logs", run, "--attempt", $"{attempt}")).Output;

    private async Task<JsonNode> StateAsync() => JsonNode.Parse((await LanyardAsync("state", "ls", "-o", "json")).Succeeded())!["items"]![0]!;

    private static async Task<byte[]> ReadSharedAsync(string path)
    {
        await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var bytes = new byte[file.Length];
        await file.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, Cancel);
        return bytes;
    }
}
