using System.Globalization;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Parts;

/// <summary>How the kernel shares the processor among a server's threads.</summary>
public sealed class SchedulingTests
{
    /// <summary>Behind the name of a thread in <c>/proc/PID/task/TID/stat</c> (proc(5): field 41, of which two stand before).</summary>
    private const int Policy = 38;
    private const int Batch = 3;

    [Fact]
    [Line("2.14")]
    public async Task Every_thread_of_a_server_takes_whole_turns_those_that_came_later_too()
    {
        await using var installation = await Installation.StartAsync();
        using var client = installation.CreateClient(await installation.AdminTokenAsync());
        await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => client.GetStringAsync(new Uri($"{installation.Url}/v1/workspaces"))));

        var policies = Directory.GetDirectories($"/proc/{installation.Server.Id}/task").Select(PolicyOf).OfType<int>().ToList();

        Assert.True(policies.Count > 5, $"{policies.Count} threads");
        Assert.All(policies, static policy => Assert.Equal(Batch, policy));
    }

    /// <returns>Null: it has just ended.</returns>
    private static int? PolicyOf(string thread)
    {
        try
        {
            var stat = File.ReadAllText(Path.Combine(thread, "stat"));
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[Policy], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return null;
        }
    }
}
