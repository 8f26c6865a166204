using System.Text.Json.Nodes;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Runs;

[Line("5.5")]
public sealed class WhyAndStateCommandTests() : CliApiTests("acme", "infra")
{
    [Fact]
    public async Task Why_prints_the_sentence_and_every_reason()
    {
        Api.OnRequest = async http =>
        {
            Assert.Equal("/v1/workspaces/acme/collections/infra/runs/run_01k/why", http.Request.Path);
            await http.Response.WriteAsync(
                """
                {"run":"run_01k","state":"queued","summary":"it waits: no runner with label gpu is online",
                "reasons":[{"code":"no_runner_with_label","text":"no runner with label gpu is online"},{"code":"runner_lacks_label","text":"runner r1 does not have the label gpu","runner":"r1"}]}
                """);
            return true;
        };

        Assert.Equal(ExitCode.Done, await Cli.RunAsync("why", "run_01k"));
        Assert.Equal(
            "run_01k queued: it waits: no runner with label gpu is online\n  no_runner_with_label: no runner with label gpu is online\n"
            + "  runner_lacks_label: runner r1 does not have the label gpu\n",
            Cli.Out.ToString());
    }

    [Theory]
    [InlineData("runner", "pause", "paused", "/v1/workspaces/acme/runners/r1")]
    [InlineData("runner", "cordon", "cordoned", "/v1/workspaces/acme/runners/r1")]
    [InlineData("runner", "drain", "draining", "/v1/workspaces/acme/runners/r1")]
    [InlineData("runner", "resume", null, "/v1/workspaces/acme/runners/r1")]
    [InlineData("collection", "pause", "paused", "/v1/workspaces/acme/collections/r1")]
    [InlineData("collection", "cordon", "cordoned", "/v1/workspaces/acme/collections/r1")]
    [InlineData("collection", "drain", "draining", "/v1/workspaces/acme/collections/r1")]
    [InlineData("collection", "resume", null, "/v1/workspaces/acme/collections/r1")]
    public async Task A_state_is_set_and_everything_else_stays_as_it_is(string kind, string word, string? state, string path)
    {
        Api.Resources[path] = ((JsonObject)JsonNode.Parse("""{"slug":"r1","spec":{"labels":["gpu"],"state":"paused"}}""")!, "\"7\"");

        Assert.Equal(ExitCode.Done, await Cli.RunAsync(kind, word, "r1"));

        var spec = Api.Resources[path].Resource["spec"]!;
        Assert.Equal((state, "gpu"), (spec["state"]?.GetValue<string>(), spec["labels"]![0]!.GetValue<string>()));
        Assert.Equal($"r1 {state ?? "active"}\n", Cli.Out.ToString());
    }

    [Fact]
    public async Task A_shared_runner_is_found_outside_of_workspaces_and_a_change_of_somebody_else_is_not_overwritten()
    {
        Api.Resources["/v1/runners/r1"] = ((JsonObject)JsonNode.Parse("""{"slug":"r1","spec":{}}""")!, "\"7\"");
        Assert.Equal(ExitCode.Done, await Cli.RunAsync("runner", "pause", "r1", "--shared"));
        Api.OnRequest = http =>
        {
            if (http.Request.Method == "PUT")
                Api.Resources["/v1/runners/r1"] = (Api.Resources["/v1/runners/r1"].Resource, "\"99\"");
            return Task.FromResult(false);
        };
        Assert.Equal(ExitCode.Refused, await Cli.RunAsync("runner", "resume", "r1", "--shared"));
        Assert.Equal("paused", Api.Resources["/v1/runners/r1"].Resource["spec"]!["state"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("pause")]
    [InlineData("drain")]
    [InlineData("cordon")]
    [InlineData("resume")]
    public void The_words_of_an_admin_do_not_start_a_runner(string word)
    {
        Assert.False(CliProgram.IsRunner(["runner", word, "r1"]));
        Assert.True(CliProgram.IsRunner(["runner", "--label", word]));
    }
}
