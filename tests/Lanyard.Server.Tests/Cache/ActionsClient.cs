using System.Text.Json;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>A script that runs the unmodified client of actions/cache with the four lines that lead it to a server, and <c>cache</c> as the client.</summary>
internal static class ActionsClient
{
    private const string Prelude =
        """
        import { createRequire } from 'node:module';
        import * as fs from 'node:fs';
        import * as crypto from 'node:crypto';
        import * as http from 'node:http';
        const client = process.env.CLIENT === 'actions-cache-6' ? await import('actions-cache-6') : createRequire(import.meta.url)(process.env.CLIENT);
        const cache = client.saveCache ? client : client.default;
        process.chdir(process.env.GITHUB_WORKSPACE);

        """;

    /// <param name="client">Its name in <c>eng/npm/package.json</c>.</param>
    /// <returns>What it said behind <c>RESULT</c>, and all of its output.</returns>
    public static async Task<(JsonElement Said, string Output)> RunAsync(
        CacheServer server, string bearer, string script, string client, bool second = true, IReadOnlyDictionary<string, string?>? more = null)
    {
        var folder = Directory.CreateTempSubdirectory("lanyard-actions-");
        try
        {
            var environment = new Dictionary<string, string?>(more ?? new Dictionary<string, string?>())
            {
                ["CLIENT"] = client,
                ["ACTIONS_RUNTIME_TOKEN"] = bearer,
                ["ACTIONS_CACHE_URL"] = server.Url + "/runtime/cache/",
                ["ACTIONS_RESULTS_URL"] = server.Url + "/",
                ["ACTIONS_CACHE_SERVICE_V2"] = second ? "true" : null,
                ["GITHUB_SERVER_URL"] = null,
                ["GITHUB_WORKSPACE"] = folder.FullName,
                ["RUNNER_TEMP"] = folder.CreateSubdirectory("temp").FullName,
            };
            var result = await NodeScript.RunAsync(Prelude + script, environment: environment, deadline: TimeSpan.FromMinutes(10));
            Assert.True(result.ExitCode == 0, $"{result.Output}\n{result.Errors}");
            return (JsonDocument.Parse(result.Output.Split('\n').Single(static line => line.StartsWith("RESULT ", StringComparison.Ordinal))[7..]).RootElement, result.Output);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
