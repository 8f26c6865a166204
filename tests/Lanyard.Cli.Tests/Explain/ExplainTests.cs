using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Explain;

[Line("2.5")]
public sealed class ExplainTests : CliApiTests
{
    private const string Token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln";

    [Theory]
    [InlineData(Token)]
    [InlineData("eyJhbGciOiJFUzI1NiJ9")]
    [InlineData("a.b.c")]
    public async Task A_token_on_the_command_line_is_refused_and_not_repeated(string token)
    {
        Assert.Equal(2, await Cli.RunAsync("explain", token));
        Assert.DoesNotContain(token, Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Empty(Api.Requests);
    }

    [Fact]
    public async Task Each_step_is_printed_and_a_refusal_is_exit_1()
    {
        string? body = null;
        Api.OnRequest = async http =>
        {
            body = await new StreamReader(http.Request.Body).ReadToEndAsync();
            await http.Response.WriteAsync("""{"steps":[{"stage":"Shape","passed":true,"text":"three segments"},{"stage":"Issuer","passed":false,"text":"nobody knows \"x\""}]}""");
            return true;
        };
        Cli.Input = Token + "\n";

        Assert.Equal(1, await Cli.RunAsync("explain", "-"));
        Assert.Equal($$"""{"token":"{{Token}}"}""", body);
        Assert.Equal("ok  Shape        three segments\nNO  Issuer       nobody knows \"x\"\n", Cli.Out.ToString());

        Assert.Equal(1, await Cli.RunAsync("explain", "--file", Cli.Write("token", Token)));
        Assert.Equal($$"""{"token":"{{Token}}"}""", body);
    }

    [Fact]
    public async Task An_event_is_asked_for_by_its_id()
    {
        Api.OnRequest = async http =>
        {
            Assert.Equal("/v1/audit/evt_01k", http.Request.Path);
            await http.Response.WriteAsync(
                """{"chain":"c","event":{"id":"evt_01k","at":"2026-01-01T00:00:00Z","action":"token.exchange","decision":"refused","stage":"time","reason":"expired","trace":["ok shape","no time"]}}""");
            return true;
        };

        Assert.Equal(1, await Cli.RunAsync("explain", "evt_01k"));
        Assert.Contains("no time\nrefused time expired", Cli.Out.ToString(), StringComparison.Ordinal);
        Assert.Equal(2, await Cli.RunAsync("explain"));
        Assert.Equal(2, await Cli.RunAsync("explain", "-", "--file", "x"));
    }
}
