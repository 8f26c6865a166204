using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests;

[Line("2.6")]
public sealed class ListWordTests() : CliApiTests("acme", "prod")
{
    public static TheoryData<string> Lists => ["admin-key", "cache", "cluster", "machine", "preset", "revoke", "state"];

    [Theory]
    [MemberData(nameof(Lists))]
    public async Task What_lists_takes_list_and_ls_alike_and_help_shows_list(string command)
    {
        var asked = new List<string>();
        Api.OnRequest = async http =>
        {
            if (!http.Request.Path.StartsWithSegments("/v1")) return false;
            asked.Add($"{http.Request.Method} {http.Request.Path}{http.Request.QueryString}");
            await http.Response.WriteAsync("""{"items":[]}""");
            return true;
        };

        Assert.Equal(0, await Cli.RunAsync(command, "list", "-o", "json"));
        var (shown, calls) = (Cli.Out.ToString(), asked.ToArray());
        asked.Clear();
        Assert.Equal(0, await Cli.RunAsync(command, "ls", "-o", "json"));
        Assert.Equal((shown, string.Join(' ', calls)), (Cli.Out.ToString(), string.Join(' ', asked)));

        Assert.Equal(0, await Cli.RunAsync(command, "--help"));
        Assert.Contains("\n  list ", Cli.Out.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(" ls", Cli.Out.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Options_and_mistakes_of_ls_are_those_of_list()
    {
        string? asked = null;
        Api.OnRequest = async http =>
        {
            if (!http.Request.Path.StartsWithSegments("/v1")) return false;
            asked = http.Request.QueryString.Value;
            await http.Response.WriteAsync("""{"items":[]}""");
            return true;
        };

        Assert.Equal(0, await Cli.RunAsync("cache", "ls", "--key", "linux-"));
        Assert.Equal("?key=linux-", asked);
        Assert.Equal(2, await Cli.RunAsync("cache", "ls", "--kye", "linux-"));
        Assert.Contains("there is no option --kye here; did you mean --key?", Cli.Error.ToString(), StringComparison.Ordinal);
    }
}
