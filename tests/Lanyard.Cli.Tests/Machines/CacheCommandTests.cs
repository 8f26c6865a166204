using System.Text.Json;
using Lanyard.Protocol.Runtime;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Machines;

/// <summary>The server's own records are what is shown, so that no number of theirs can be passed over.</summary>
[Line("4.7")]
public sealed class CacheCommandTests() : CliApiTests("acme")
{
    [Fact]
    public async Task Usage_shows_its_numbers()
    {
        Answer(JsonSerializer.Serialize(new CacheUsage(3, 4096, 1_000_000, "repository", [new CacheUsageRow("demo/app", 3, 4096)]), CacheAdminJson.Default.CacheUsage));

        Assert.Equal(0, await Cli.RunAsync("cache", "usage"));
        Assert.Equal("4096 bytes of 1000000, 3 entries\nREPOSITORY  ENTRIES  BYTES\ndemo/app    3        4096\n", Cli.Out.ToString());
    }

    [Fact]
    public async Task Usage_says_how_much_of_it_is_quarantined()
    {
        Answer(JsonSerializer.Serialize(new CacheUsage(3, 4096, 1_000_000, "repository", [], 2, 1024), CacheAdminJson.Default.CacheUsage));

        Assert.Equal(0, await Cli.RunAsync("cache", "usage"));
        Assert.StartsWith("4096 bytes of 1000000, 3 entries\n1024 bytes of them, in 2 entries, are quarantined\n", Cli.Out.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("quarantine")]
    [InlineData("release")]
    [InlineData("rm")]
    public async Task What_was_changed_is_counted(string word)
    {
        Answer(JsonSerializer.Serialize(new CacheChanged(7), CacheAdminJson.Default.CacheChanged));

        Assert.Equal(0, await Cli.RunAsync("cache", word, "--repository", "demo/app"));
        Assert.Equal("7 entries\n", Cli.Out.ToString());
    }

    [Fact]
    public async Task A_listed_entry_shows_its_size()
    {
        Answer("""{"items":[{"id":"12","repository":"demo/app","scope":"refs/heads/main","key":"k","state":"ready","size":4096,"usedAt":"2026-01-02T03:04:05.678+00:00"}]}""");

        Assert.Equal(0, await Cli.RunAsync("cache", "list"));
        Assert.Contains("12  demo/app    refs/heads/main  k    ready  4096   2026-01-02T03:04:05Z\n", Cli.Out.ToString(), StringComparison.Ordinal);
    }

    private void Answer(string body) => Api.OnRequest = async http =>
    {
        await http.Response.WriteAsync(body);
        return true;
    };
}
