using System.Text.Json.Nodes;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Runs;

[Line("5.5")]
public sealed class WhyAndStateCommandTests : IAsyncLifetime
{
    private readonly CliRun _cli = new();
    private FakeApi _api = null!;

    public async ValueTask InitializeAsync()
    {
        _api = await FakeApi.StartAsync();
        _cli.Environment["LANYARD_SERVER"] = _api.Url;
        _cli.Environment["LANYARD_DATA_DIR"] = _cli.Folder;
        _cli.Environment["LANYARD_WORKSPACE"] = "acme";
        _cli.Environment["LANYARD_COLLECTION"] = "infra";
        _cli.Write("admin-key.pem", _api.AdminKey.ExportPem());
    }

    public async ValueTask DisposeAsync()
    {
        await _api.DisposeAsync();
        _cli.Dispose();
    }

    [Fact]
    public async Task Why_prints_the_sentence_and_every_reason()
    {
        _api.OnRequest = async http =>
        {
            Assert.Equal("/v1/workspaces/acme/collections/infra/runs/run_01k/why", http.Request.Path);
            await http.Response.WriteAsync(
                """
                {"run":"run_01k","state":"queued","summary":"it waits: no runner with label gpu is online",
                "reasons":[{"code":"no_runner_with_label","text":"no runner with label gpu is online"},{"code":"runner_lacks_label","text":"runner r1 does not have the label gpu","runner":"r1"}]}
                """);
            return true;
        };

        Assert.Equal(ExitCode.Done, await _cli.RunAsync("why", "run_01k"));
        Assert.Equal(
            "run_01k queued: it waits: no runner with label gpu is online\n  no_runner_with_label: no runner with label gpu is online\n"
            + "  runner_lacks_label: runner r1 does not have the label gpu\n",
            _cli.Out.ToString());
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
        _api.Resources[path] = ((JsonObject)JsonNode.Parse("""{"slug":"r1","spec":{"labels":["gpu"],"state":"paused"}}""")!, "\"7\"");

        Assert.Equal(ExitCode.Done, await _cli.RunAsync(kind, word, "r1"));

        var spec = _api.Resources[path].Resource["spec"]!;
        Assert.Equal((state, "gpu"), (spec["state"]?.GetValue<string>(), spec["labels"]![0]!.GetValue<string>()));
        Assert.Equal($"r1 {state ?? "active"}\n", _cli.Out.ToString());
    }

    [Fact]
    public async Task A_shared_runner_is_found_outside_of_workspaces_and_a_change_of_somebody_else_is_not_overwritten()
    {
        _api.Resources["/v1/runners/r1"] = ((JsonObject)JsonNode.Parse("""{"slug":"r1","spec":{}}""")!, "\"7\"");
        Assert.Equal(ExitCode.Done, await _cli.RunAsync("runner", "pause", "r1", "--shared"));
        _api.OnRequest = http =>
        {
            if (http.Request.Method == "PUT")
                _api.Resources["/v1/runners/r1"] = (_api.Resources["/v1/runners/r1"].Resource, "\"99\"");
            return Task.FromResult(false);
        };
        Assert.Equal(ExitCode.Refused, await _cli.RunAsync("runner", "resume", "r1", "--shared"));
        Assert.Equal("paused", _api.Resources["/v1/runners/r1"].Resource["spec"]!["state"]!.GetValue<string>());
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
