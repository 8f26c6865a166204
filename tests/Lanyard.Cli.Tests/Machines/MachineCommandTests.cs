using System.Text.Json.Nodes;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Machines;

[Line("4.1")]
public sealed class MachineCommandTests() : CliApiTests("acme")
{
    private const string Path = "/v1/workspaces/acme/machines";
    private JsonNode? _sent;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        Api.OnRequest = async http =>
        {
            if (http.Request is not { Method: "POST", Path.Value: Path }) return false;
            _sent = JsonNode.Parse(await new StreamReader(http.Request.Body).ReadToEndAsync());
            http.Response.StatusCode = 201;
            await http.Response.WriteAsync("""{"machine":{"id":"machine_1"},"token":"a.b.c"}""");
            return true;
        };
    }

    [Fact]
    public async Task The_environment_is_four_lines_that_a_shell_or_a_file_takes_and_the_id_is_no_line_of_it()
    {
        var exit = await Cli.RunAsync("machine", "create", "--repository", "demo/app", "--ref", "refs/heads/main", "--env");

        Assert.Equal(0, exit);
        Assert.Equal(
            $"ACTIONS_RESULTS_URL={Api.Url}/\nACTIONS_CACHE_URL={Api.Url}/runtime/cache/\nACTIONS_CACHE_SERVICE_V2=true\nACTIONS_RUNTIME_TOKEN=a.b.c\n",
            Cli.Out.ToString());
        Assert.Equal("machine_1\n", Cli.Error.ToString());
        Assert.Equal("""{"repository":"demo/app","ref":"refs/heads/main"}""", _sent!.ToJsonString());
    }

    [Fact]
    public async Task Every_option_is_sent_under_its_name()
    {
        var exit = await Cli.RunAsync(
            "machine", "create", "--repository", "demo/app", "--ref", "refs/pull/1/merge", "--base-ref", "refs/heads/dev", "--default-ref", "refs/heads/main",
            "--cache-mode", "read", "--runner", "vm", "--lifetime", "600", "--operation", "main/deploy=start,cancel");

        Assert.Equal((0, "a.b.c\n"), (exit, Cli.Out.ToString()));
        Assert.Equal(
            """{"repository":"demo/app","ref":"refs/pull/1/merge","baseRef":"refs/heads/dev","defaultRef":"refs/heads/main","cacheMode":"read","runner":"vm","lifetimeSeconds":600,"operations":[{"collection":"main","definition":"deploy","actions":["start","cancel"]}]}""",
            _sent!.ToJsonString());
    }

    [Theory]
    [InlineData("deploy=start")]
    [InlineData("main/deploy")]
    [InlineData("main/deploy=")]
    [InlineData("a/b/c=start")]
    public async Task What_is_no_operation_is_sent_nowhere(string text)
    {
        Assert.NotEqual(0, await Cli.RunAsync("machine", "create", "--operation", text));
        Assert.Null(_sent);
    }

    [Theory]
    [InlineData("../workspaces")]
    [InlineData("a b")]
    [InlineData("machine_1?x")]
    public async Task What_is_no_id_goes_into_no_path(string id)
    {
        Assert.Equal(2, await Cli.RunAsync("machine", "delete", id));
        Assert.Empty(Api.Requests);
    }
}
