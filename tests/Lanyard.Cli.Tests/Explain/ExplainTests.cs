using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Explain;

[Line("2.5")]
[Line("6.7")]
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

    [Fact]
    public async Task A_request_is_explained_by_the_id_that_its_refusal_named_whatever_else_happened_meanwhile()
    {
        // Its first ten digits are 2026-11-30T12:00:00Z.
        const string id = "req_01m8p570g001w7v3r0jm2xwk9q";
        var asked = new List<string>();
        Api.OnRequest = async http =>
        {
            asked.Add(http.Request.QueryString.Value!);
            http.Response.Headers["Lanyard-Next"] = "evt_1";
            await http.Response.WriteAsync(asked.Count > 1
                ? $$$"""{"chain":"c","event":{"id":"evt_2","at":"2026-11-30T12:00:01Z","action":"bearer","decision":"refused","stage":"time","reason":"expired","requestId":"{{{id}}}"}}""" + "\n"
                : """{"chain":"c","event":{"id":"evt_1","action":"run.create","decision":"allowed","requestId":"req_other"}}""" + "\n");
            return true;
        };

        Assert.Equal(1, await Cli.RunAsync("explain", id));
        Assert.Equal("2026-11-30T12:00:01Z bearer\nrefused time expired\n", Cli.Out.ToString());
        Assert.StartsWith("?since=2026-11-30T12%3A00%3A00.0000000%2B00%3A00&until=2026-11-30T12%3A02", asked[0], StringComparison.Ordinal);
        Assert.Contains("after=evt_1", asked[1], StringComparison.Ordinal);
        Assert.Equal(2, await Cli.RunAsync("explain", "req_!"));
    }

    [Fact]
    public async Task A_request_that_decided_nothing_is_said_so()
    {
        Api.OnRequest = _ => Task.FromResult(true);

        Assert.Equal(1, await Cli.RunAsync("explain", "req_01m8p570g001w7v3r0jm2xwk9q", "-w", "acme"));
        Assert.Contains("no decision of this request", Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Contains(Api.Requests, static request => request.StartsWith("GET /v1/workspaces/acme/audit?since=", StringComparison.Ordinal));
    }
}
