using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>A step that writes a gigabyte, through a real runner and a real server.</summary>
[Needs("bwrap")]
[Line("5.7")]
public sealed class GreatLogTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(300);

    [Fact]
    public async Task A_gigabyte_of_output_ends_well_with_head_and_tail_and_what_was_dropped_said_and_the_same_bytes_on_both_sides()
    {
        await using var installation = await Installation.StartAsync();
        await installation.ApplyAsync(
            Documents.Workspace("acme"), Documents.Collection("acme", "prod"),
            Documents.Definition("acme", "prod", "talk", "echo THE-BEGINNING; yes 'a line of sixty-four bytes, which a step writes again and again.' | head -c 1073741824; echo; echo THE-END"));
        await installation.StartApprovedRunnerAsync("host", ["acme/prod"]);

        var run = (await installation.LanyardAsync("run", "talk", "-w", "acme", "-c", "prod")).Succeeded();
        var view = await installation.WaitForEndAsync("acme", "prod", run, Patience);

        Assert.True(view["state"]!.GetValue<string>() == "succeeded", view.ToString());
        using var client = installation.CreateClient(await installation.AdminTokenAsync());
        var log = await client.GetStringAsync(new Uri($"{installation.Url}/v1/workspaces/acme/collections/prod/runs/{run}/logs"), TestContext.Current.CancellationToken);
        Assert.Contains("THE-BEGINNING\n", log[..1000], StringComparison.Ordinal);
        Assert.Contains("THE-END", log[^1000..], StringComparison.Ordinal);
        Assert.Contains("bytes of output were dropped here", log, StringComparison.Ordinal);
        Assert.InRange(log.Length, 1 << 20, 65 << 20);
        var attempt = view["attempts"]![0]!;
        Assert.True(attempt["logComplete"]!.GetValue<bool>(), view.ToString());
        Assert.Equal(log.Length, attempt["logBytes"]!.GetValue<long>());
    }
}
