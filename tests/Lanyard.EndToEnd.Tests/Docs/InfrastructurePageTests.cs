using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Docs;

/// <summary>The table of commands of docs/infrastructure-as-code.md: each is typed, on the definition of its five minutes, and none may be added that is not.</summary>
[Needs("bwrap")]
[Needs("terraform")]
[Line("5.6")]
public sealed partial class InfrastructurePageTests : IAsyncLifetime
{
    private const string Page = "docs/infrastructure-as-code.md";
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(3);
    private readonly HashSet<string> _typed = new(StringComparer.Ordinal);
    private Installation _installation = null!;

    public async ValueTask InitializeAsync()
    {
        if (MachineParts.WhyAbsent("terraform") is not null) return;
        _installation = await Installation.StartAsync();
        var definition = Walk.Read(Page, "## Five minutes").Script.Split("<<'END'\n")[1].Split("\nEND\n")[0];
        await _installation.ApplyAsync(Documents.Workspace("demo"), Documents.Collection("demo", "main"), definition);
    }

    public async ValueTask DisposeAsync()
    {
        if (_installation is not null) await _installation.DisposeAsync();
    }

    [Fact]
    public async Task Every_command_of_the_page_does_what_it_says()
    {
        await _installation.StartApprovedRunnerAsync("host", ["demo/main"]);
        var file = Path.Combine(_installation.Folder, "old.tfstate");

        var run = await TypeAsync("lanyard run network");
        await WaitsAsync(run);
        Assert.Contains("plan: 1 to add, 0 to change, 0 to destroy: waits", await TypeAsync("lanyard runs RUN", ("RUN", run)), StringComparison.Ordinal);
        await TypeAsync("lanyard approve RUN", ("RUN", run));
        Assert.Equal("succeeded", await EndAsync(run));
        foreach (var action in (string[])["plan", "drift"])
        {
            Assert.Equal("succeeded", await EndAsync(await TypeAsync($"lanyard run network --action {action}")));
        }

        var end = await TypeAsync("lanyard run network --action destroy");
        await WaitsAsync(end);
        await TypeAsync("lanyard discard RUN", ("RUN", end));
        Assert.Equal("canceled", await EndAsync(end));

        Assert.Contains("network", await TypeAsync("lanyard state list"), StringComparison.Ordinal);
        Assert.Contains(run, await TypeAsync("lanyard state versions STATE", ("STATE", "network")), StringComparison.Ordinal);
        await File.WriteAllTextAsync(file, await TypeAsync("lanyard state pull STATE [--version N]", ("STATE", "network"), ("[--version N]", "--version 1")), TestContext.Current.CancellationToken);
        Assert.NotNull(JsonNode.Parse(await TypeAsync("lanyard state pull STATE [--version N]", ("STATE", "network"), (" [--version N]", "")))!["lineage"]);
        Assert.StartsWith("network version", await TypeAsync("lanyard state push STATE FILE", ("STATE", "network"), ("FILE", file)), StringComparison.Ordinal);
        await TypeAsync("lanyard state delete STATE", ("STATE", "network"));
        Assert.DoesNotContain("network", await TypeAsync("lanyard state list"), StringComparison.Ordinal);

        Assert.Equal(CommandsOfThePage().Except(["lanyard state unlock STATE LOCK"]).Order(StringComparer.Ordinal), _typed.Order(StringComparer.Ordinal));
        var audit = (await _installation.LanyardAsync("audit")).Succeeded();
        Assert.All((string[])["state.read", "state.push", "state.delete"], what => Assert.Contains($"\"{what}\"", audit, StringComparison.Ordinal));
    }

    /// <summary>Nobody knows how far it came: neither the next run nor the server takes the lock away.</summary>
    [Fact]
    public async Task A_lock_that_a_lost_apply_has_left_stays_until_a_human_takes_it_away()
    {
        await _installation.ApplyAsync("""
            kind: Definition
            metadata: {workspace: demo, collection: main, slug: network}
            spec:
              steps: []
              opentofu:
                approval: false
                files: {main.tf: "resource \"terraform_data\" \"slow\" {\n  provisioner \"local-exec\" { command = \"echo now-it-is-slow; sleep 600\" }\n}\n"}
            """);
        var runner = await _installation.StartApprovedRunnerAsync("host", ["demo/main"]);
        var run = await TypeAsync("lanyard run network");
        await Eventually.HoldsAsync(
            async () => (await _installation.LanyardAsync("logs", run, "-w", "demo", "-c", "main", "--attempt", "2")).Output.Contains("now-it-is-slow", StringComparison.Ordinal), "the apply is at its work", Deadline);
        runner.Kill();
        await runner.WaitForExitAsync();
        Assert.Equal("failed", await EndAsync(run));
        Assert.Contains("lost_in_apply", (await _installation.LanyardAsync("runs", run, "-w", "demo", "-c", "main", "-o", "json")).Succeeded(), StringComparison.Ordinal);

        var state = JsonNode.Parse((await _installation.LanyardAsync("state", "list", "-w", "demo", "-c", "main", "-o", "json")).Succeeded())!["items"]![0]!;
        var held = state["lock"]!["id"]!.GetValue<string>();
        Assert.Contains(held, await TypeAsync("lanyard state list"), StringComparison.Ordinal);
        await TypeAsync("lanyard state unlock STATE LOCK", ("STATE", "network"), ("LOCK", held));
        Assert.DoesNotContain(held, await TypeAsync("lanyard state list"), StringComparison.Ordinal);
        Assert.Contains("lanyard state unlock STATE LOCK", CommandsOfThePage());
    }

    /// <summary>One that stands in the table, with other words for those in capitals.</summary>
    private async Task<string> TypeAsync(string command, params (string Word, string Value)[] words)
    {
        _typed.Add(command);
        var typed = words.Aggregate(command, static (text, pair) => text.Replace(pair.Word, pair.Value, StringComparison.Ordinal));
        return (await _installation.LanyardAsync([.. typed.Split(' ')[1..], "--workspace", "demo", "--collection", "main"])).Succeeded().Trim();
    }

    private Task WaitsAsync(string run) => Eventually.HoldsAsync(
        async () => (await _installation.LanyardAsync("runs", run, "-w", "demo", "-c", "main")).Succeeded().Contains("waits for", StringComparison.Ordinal), $"{run} waits", Deadline);

    private async Task<string> EndAsync(string run) => (await _installation.WaitForEndAsync("demo", "main", run, Deadline))["state"]!.GetValue<string>();

    private static IEnumerable<string> CommandsOfThePage() =>
        Walk.Lines(Page, "## Commands").Where(static line => line.StartsWith("| `", StringComparison.Ordinal))
            .SelectMany(static line => Command().Matches(line.Split(" | ")[0]).Select(static match => match.Groups[1].Value));

    [GeneratedRegex("`(lanyard [^`]+)`")]
    private static partial Regex Command();
}
