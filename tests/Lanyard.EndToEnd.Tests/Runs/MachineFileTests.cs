using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>A VM is registered by a YAML file: its token says at the runtime API what stood there.</summary>
[Line("4.1")]
public sealed class MachineFileTests
{
    [Fact]
    public async Task A_machine_of_a_file_is_at_the_runtime_API_what_the_file_says_until_it_is_deleted()
    {
        await using var installation = await Installation.StartAsync();
        await installation.ApplyAsync(Documents.Workspace("acme"));
        var file = installation.WriteFile("""
            kind: Machine
            metadata: {workspace: acme}
            spec:
              lifetimeSeconds: 600
              repository: demo/app
              ref: refs/pull/7/merge
              defaultRef: refs/heads/main
            """);
        var created = await installation.LanyardJsonAsync("machine", "create", "-f", file);
        using var client = installation.CreateClient(created["token"]!.GetValue<string>());
        var whoami = new Uri(installation.Url + "/runtime/whoami");

        var said = JsonNode.Parse(await client.GetStringAsync(whoami, TestContext.Current.CancellationToken))!;
        Assert.Equal(("machine", "demo/app", "refs/pull/7/merge"), (said["kind"]!.GetValue<string>(), said["repository"]!.GetValue<string>(), said["ref"]!.GetValue<string>()));
        Assert.Equal(["refs/pull/7/merge write", "refs/heads/main read"], said["scopes"]!.AsArray().Select(static scope => $"{scope!["scope"]} {scope["permission"]}"));
        Assert.InRange(said["expiresAt"]!.GetValue<DateTimeOffset>() - TimeProvider.System.GetUtcNow(), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(600));

        (await installation.LanyardAsync("machine", "delete", created["machine"]!["id"]!.GetValue<string>(), "-w", "acme")).Succeeded();
        using var after = await client.GetAsync(whoami, TestContext.Current.CancellationToken);
        Assert.Equal(System.Net.HttpStatusCode.Unauthorized, after.StatusCode);
    }
}
