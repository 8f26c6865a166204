using System.Text.Json.Nodes;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Machines;

[Line("4.1")]
public sealed class MachineCommandTests() : CliApiTests("acme")
{
    private const string Path = "/v1/workspaces/acme/machines";
    private const string Document = """
        kind: Machine
        metadata: {workspace: acme}
        spec:
          lifetimeSeconds: 600
          repository: demo/app
          scopes:
            - {scope: refs/heads/main, permission: write}
          operations:
            - {collection: main, definition: deploy, actions: [start]}
        """;

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
    [InlineData("-f")]
    [InlineData("-")]
    public async Task A_file_says_all_that_options_can_and_options_stand_above_it(string how)
    {
        Cli.Environment.Remove("LANYARD_WORKSPACE");
        string[] from = how == "-f" ? [$"-f{Cli.Write("vm.yaml", Document)}"] : ["-f", "-"];
        Cli.Input = Document;

        Assert.Equal((0, "a.b.c\n"), (await Cli.RunAsync(["machine", "create", .. from, "--lifetime", "900"]), Cli.Out.ToString()));
        Assert.Equal(
            """{"lifetimeSeconds":900,"repository":"demo/app","scopes":[{"scope":"refs/heads/main","permission":"write"}],"operations":[{"collection":"main","definition":"deploy","actions":["start"]}]}""",
            _sent!.ToJsonString());
        Assert.Equal(0, await Cli.RunAsync(["machine", "create", .. from, "--env"]));
        Assert.StartsWith("ACTIONS_RESULTS_URL=", Cli.Out.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("kind: Machine\nspec: {lifetime: 600}\n", "vm.yaml: line 2", "lifetime")]
    [InlineData("kind: Machine\nspec:\n  lifetimeSeconds: soon\n", "vm.yaml: line 3", "lifetimeSeconds")]
    [InlineData("kind: Runner\nspec: {}\n", "vm.yaml: line 1", "must be Machine")]
    [InlineData("kind: Machine\nmetadata: {workspace: ../x}\n", "vm.yaml: line 2", "is no slug")]
    [InlineData("kind: Machine\n---\nkind: Machine\n", "vm.yaml", "exactly one document")]
    [InlineData("kind: [", "vm.yaml", "")]
    [InlineData("", "vm.yaml", "exactly one document")]
    public async Task A_file_with_a_mistake_is_answered_with_its_line_and_nothing_is_sent(string text, string place, string word)
    {
        var file = Cli.Write("vm.yaml", text);

        Assert.Equal(2, await Cli.RunAsync("machine", "create", "-f", file));

        Assert.Contains(place, Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Contains(word, Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Empty(Api.Requests);
    }

    [Fact]
    public async Task What_the_server_finds_in_a_file_is_told_with_its_line_and_a_machine_is_nothing_to_apply()
    {
        var file = Cli.Write("vm.yaml", Document);
        Api.OnRequest = async http =>
        {
            await FakeApi.ProblemAsync(http, 400, "The request has mistakes.", [new JsonObject { ["path"] = "scopes[0].scope", ["text"] = "must be a full ref" }]);
            return true;
        };

        Assert.Equal(3, await Cli.RunAsync("machine", "create", "-f", file));
        Assert.Contains("line 7", Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Contains("spec.scopes[0].scope: must be a full ref", Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Equal(2, await Cli.RunAsync("apply", "-f", file));
        Assert.Contains("lanyard machine create -f", Cli.Error.ToString(), StringComparison.Ordinal);
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
