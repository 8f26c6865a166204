using System.Text.Json;
using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>What an unmodified runner of GitHub's gives its jobs, pointed at us: GitHub's token, our URL, and the client as it is.</summary>
[Line("4.6")]
[Needs("npm")]
public sealed class WorkflowClientTests
{
    private const string Script =
        """
        import { createRequire } from 'node:module';
        import * as fs from 'node:fs';
        const client = process.env.CLIENT === 'actions-cache-6' ? await import('actions-cache-6') : createRequire(import.meta.url)(process.env.CLIENT);
        const cache = client.saveCache ? client : client.default;
        process.chdir(process.env.GITHUB_WORKSPACE);
        const saveAs = async (token, key) => {
          process.env.ACTIONS_RUNTIME_TOKEN = token;
          fs.mkdirSync('d', { recursive: true });
          fs.writeFileSync('d/content', key);
          return await cache.saveCache(['d'], key);
        };
        const findAs = async (token, key) => {
          process.env.ACTIONS_RUNTIME_TOKEN = token;
          fs.rmSync('d', { recursive: true, force: true });
          return (await cache.restoreCache(['d'], key, ['linux-'])) ?? null;
        };
        const { main, pull, low, foreign } = JSON.parse(fs.readFileSync(0, 'utf8'));
        const said = {
          saved: await saveAs(main, 'linux-1'),
          exact: await findAs(main, 'linux-1'),
          content: fs.readFileSync('d/content', 'utf8'),
          fromPull: await findAs(pull, 'linux-2'),
          pullSaved: await saveAs(pull, 'linux-2'),
          mainAfter: await findAs(main, 'linux-2'),
          lowFound: await findAs(low, 'linux-1'),
          lowSaved: await saveAs(low, 'linux-3'),
          foreignFound: await findAs(foreign, 'linux-1'),
        };
        console.log('RESULT ' + JSON.stringify(said));
        """;

    [Theory]
    [InlineData("actions-cache-6", true)]
    [InlineData("actions-cache-4", true)]
    [InlineData("actions-cache-3", false)]
    public async Task The_official_client_saves_and_restores_with_GitHubs_own_tokens(string client, bool second)
    {
        await using var server = await WorkflowServer.StartAsync();
        var folder = Directory.CreateTempSubdirectory("lanyard-workflow-");
        try
        {
            var tokens = JsonSerializer.Serialize(new Dictionary<string, string>
            {
                ["main"] = server.Token(),
                ["pull"] = server.Token(ac: """[{"Scope":"refs/pull/7/merge","Permission":3},{"Scope":"refs/heads/main","Permission":1}]""", job: "run-2:job-1"),
                ["low"] = server.Token(ac: """[{"Scope":"refs/heads/main","Permission":1}]""", job: "run-3:job-1"),
                ["foreign"] = server.Token("999"),
            });
            var environment = new Dictionary<string, string?>
            {
                ["CLIENT"] = client,
                ["ACTIONS_CACHE_URL"] = server.Server.Url + "/runtime/cache/",
                ["ACTIONS_RESULTS_URL"] = server.Server.Url + "/",
                ["ACTIONS_CACHE_SERVICE_V2"] = second ? "true" : null,
                ["GITHUB_SERVER_URL"] = second ? "https://github.com" : "https://ghes.example",
                ["GITHUB_WORKSPACE"] = folder.FullName,
                ["RUNNER_TEMP"] = folder.CreateSubdirectory("temp").FullName,
            };
            var result = await NodeScript.RunAsync(Script, tokens, environment, TimeSpan.FromMinutes(2));
            Assert.True(result.ExitCode == 0, $"{result.Output}\n{result.Errors}");
            var said = JsonDocument.Parse(result.Output.Split('\n').Single(static line => line.StartsWith("RESULT ", StringComparison.Ordinal))[7..]).RootElement;

            Assert.True(said.GetProperty("saved").GetInt64() > 0, result.Output);
            Assert.Equal(("linux-1", "linux-1", "linux-1"), (Text("exact"), Text("content"), Text("fromPull")));
            Assert.True(said.GetProperty("pullSaved").GetInt64() > 0, result.Output);
            Assert.Equal(("linux-1", "linux-1", null), (Text("mainAfter"), Text("lowFound"), Text("foreignFound")));
            Assert.Equal(-1, said.GetProperty("lowSaved").GetInt64());
            Assert.Contains("cache write denied", result.Output, StringComparison.Ordinal);

            string? Text(string name) => said.GetProperty(name).GetString();
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
