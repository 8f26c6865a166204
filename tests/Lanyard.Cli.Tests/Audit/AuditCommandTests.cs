using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Audit;

[Line("2.12")]
public sealed class AuditCommandTests : CliApiTests
{
    [Fact]
    public async Task A_follower_prints_the_newest_lines_and_goes_on_where_the_answer_says_each_line_once()
    {
        var queries = new List<string>();
        Api.OnRequest = async http =>
        {
            queries.Add(http.Request.QueryString.Value!);
            if (queries.Count == 4)
            {
                http.Response.StatusCode = 403;
                await http.Response.WriteAsync("""{"title":"The caller's role does not allow this."}""");
                return true;
            }

            http.Response.Headers["Lanyard-Next"] = $"n{queries.Count}";
            await http.Response.WriteAsync(queries.Count == 2 ? "" : $$$"""{"event":{"id":"evt_{{{queries.Count}}}"}}""" + "\n");
            return true;
        };

        Assert.NotEqual(0, await Cli.RunAsync("audit", "-f", "--limit", "7", "--action", "token.exchange"));

        Assert.Equal("{\"event\":{\"id\":\"evt_1\"}}\n{\"event\":{\"id\":\"evt_3\"}}\n", Cli.Out.ToString());
        Assert.Equal(
            ["?action=token.exchange&limit=7", "?action=token.exchange&wait=50&after=n1", "?action=token.exchange&wait=50&after=n2", "?action=token.exchange&wait=50&after=n3"], queries);
    }

    [Theory]
    [InlineData("true", "null", 0, "every chain is whole")]
    [InlineData("false", "\"event 3 is missing\"", 1, "BROKEN")]
    public async Task A_broken_chain_is_named_and_is_exit_1(string intact, string fault, int exit, string words)
    {
        Api.OnRequest = async http =>
        {
            Assert.Equal("/v1/audit/verify", http.Request.Path);
            await http.Response.WriteAsync($$"""{"intact":{{intact}},"events":4,"chains":[{"chain":"chn_1","events":4,"fault":{{fault}}}]}""");
            return true;
        };

        Assert.Equal(exit, await Cli.RunAsync("audit", "--verify"));
        Assert.Contains(words, Cli.Out.ToString(), StringComparison.Ordinal);
        if (exit == 1) Assert.Contains("event 3 is missing", Cli.Out.ToString(), StringComparison.Ordinal);
    }
}
