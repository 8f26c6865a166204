using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>A host that runs <c>lanyard runner</c> gets its machine's token by one command, with the key that it has anyway and no token copied to it.</summary>
[Line("4.1")]
[Needs("bwrap")]
public sealed class MachineAttestTests
{
    [Fact]
    public async Task The_key_of_a_runner_is_enough_for_the_four_lines_of_the_cache_and_another_key_is_not()
    {
        await using var installation = await Installation.StartAsync();
        await installation.ApplyAsync(Documents.Workspace("acme"), Documents.Collection("acme", "prod"));
        foreach (var name in (string[])["one", "two"]) await installation.StartApprovedRunnerAsync(name, ["acme/prod"]);
        var runner = (await installation.LanyardJsonAsync("get", "runner", "one", "-w", "acme"))["id"]!.GetValue<string>();
        await installation.ApplyAsync($$$"""
            kind: MachineIdentity
            metadata: {workspace: acme, slug: host}
            spec:
              proof: {runner: {{{runner}}}}
              machine: {repository: demo/app, ref: refs/heads/main}
            """);

        var lines = (await AttestAsync(installation, "one")).Succeeded().Split('\n', StringSplitOptions.RemoveEmptyEntries);

        Assert.Equal(["ACTIONS_RESULTS_URL", "ACTIONS_CACHE_URL", "ACTIONS_CACHE_SERVICE_V2", "ACTIONS_RUNTIME_TOKEN"], lines.Select(static line => line.Split('=')[0]));
        using var client = installation.CreateClient(lines[^1].Split('=', 2)[1]);
        var said = JsonNode.Parse(await client.GetStringAsync(new Uri(installation.Url + "/runtime/whoami"), TestContext.Current.CancellationToken))!;
        Assert.Equal(("machine", "demo/app", "refs/heads/main"), (said["kind"]!.GetValue<string>(), said["repository"]!.GetValue<string>(), said["ref"]!.GetValue<string>()));

        var other = await AttestAsync(installation, "two");
        Assert.Equal((5, ""), (other.ExitCode, other.Output));
    }

    /// <summary>As on the host: no admin's key is near.</summary>
    private static Task<CommandResult> AttestAsync(Installation installation, string name) => LanyardProcess.RunAsync(
        ["machine", "attest", "-w", "acme", "--identity", "host", "--server", installation.Url, "--key-file", installation.KeyFile(name), "--env"],
        new Dictionary<string, string?> { ["LANYARD_DATA_DIR"] = null });
}
