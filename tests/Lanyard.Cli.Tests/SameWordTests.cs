using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests;

[Line("2.6")]
public sealed class SameWordTests() : CliApiTests("acme", "prod")
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

    [Theory]
    [InlineData("cache", "ls", "--key")]
    [InlineData("machine", "rm", "<machine>")]
    public async Task Help_is_given_for_each_of_the_words(string command, string word, string named)
    {
        Assert.Equal(0, await Cli.RunAsync(command, word, "--help"));
        Assert.Contains($" {command} {word} ", Cli.Out.ToString(), StringComparison.Ordinal);
        Assert.Contains(named, Cli.Out.ToString(), StringComparison.Ordinal);
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

    [Theory]
    [InlineData("machine", "delete", "machine_1")]
    [InlineData("cache", "rm", "12")]
    [InlineData("revoke", "rm", "rev_1")]
    [InlineData("admin-key", "remove", "key_1")]
    [InlineData(null, "delete", "definitions", "shop")]
    public async Task What_deletes_takes_each_word_for_it_and_help_shows_one(string? command, string shown, params string[] what)
    {
        var asked = new List<string>();
        Api.OnRequest = async http =>
        {
            asked.Add($"{http.Request.Method} {http.Request.Path}");
            if (http.Request.Method == "DELETE") http.Response.StatusCode = StatusCodes.Status204NoContent;
            else await http.Response.WriteAsync("{}");
            return true;
        };
        string[] before = command is null ? [] : [command];

        var calls = new HashSet<string>();
        foreach (var word in (string[])["delete", "rm", "remove"])
        {
            asked.Clear();
            Assert.Equal(0, await Cli.RunAsync([.. before, word, .. what]));
            calls.Add(string.Join(' ', asked));
        }

        Assert.Contains("DELETE /v1/", Assert.Single(calls), StringComparison.Ordinal);
        Assert.Equal(0, await Cli.RunAsync([.. before, "--help"]));
        Assert.Equal([shown], ((string[])["delete", "rm", "remove"]).Where(word => Cli.Out.ToString().Contains($"\n  {word} ", StringComparison.Ordinal)));
    }
}
