using System.Text.Json;
using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>The unmodified client of actions/cache, from npm, against this server.</summary>
[Line("4.3")]
[Needs("npm")]
public sealed class ActionsCacheTests : IAsyncLifetime
{
    private const string SaveAndRestore =
        """
        import * as fs from 'node:fs';
        import * as crypto from 'node:crypto';
        const client = await import(process.env.CLIENT);
        const cache = client.saveCache ? client : client.default;
        process.chdir(process.env.GITHUB_WORKSPACE);
        const size = Number(process.env.SIZE);
        fs.mkdirSync('d');
        fs.writeFileSync('d/content', crypto.randomBytes(size));
        const before = crypto.createHash('sha256').update(fs.readFileSync('d/content')).digest('hex');
        const miss = await cache.restoreCache(['d'], 'linux-abc', ['linux-']);
        const saved = await cache.saveCache(['d'], 'linux-abc');
        const again = await cache.saveCache(['d'], 'linux-abc');
        fs.rmSync('d', { recursive: true });
        const lookedUp = await cache.restoreCache(['d'], 'linux-abc', [], { lookupOnly: true });
        const untouched = !fs.existsSync('d');
        const exact = await cache.restoreCache(['d'], 'linux-abc');
        const after = crypto.createHash('sha256').update(fs.readFileSync('d/content')).digest('hex');
        fs.rmSync('d', { recursive: true });
        const prefix = await cache.restoreCache(['d'], 'linux-xyz', ['mac-', 'linux-']);
        const crossOs = await cache.restoreCache(['d'], 'linux-abc', [], { lookupOnly: true }, true);
        const other = await cache.restoreCache(['elsewhere'], 'linux-abc');
        console.log('RESULT ' + JSON.stringify({ miss: miss ?? null, saved, again, lookedUp, untouched, exact, same: before === after, prefix, crossOs, other: other ?? null }));
        """;

    private CacheServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await CacheServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Theory]
    [InlineData("actions-cache-4", "v2", 1024)]
    [InlineData("actions-cache-5", "v2", 1024)]
    [InlineData("actions-cache-5", "v2", 33 << 20)]
    [InlineData("actions-cache-5", "v2", 129 << 20)]
    [InlineData("actions-cache-6", "v2", 0)]
    [InlineData("actions-cache-6", "v2", 1024)]
    [InlineData("actions-cache-3", "v1", 1024)]
    [InlineData("actions-cache-4", "v1", 70 << 20)]
    public async Task What_the_client_saves_it_restores_byte_for_byte(string client, string protocol, int size)
    {
        var machine = await _server.MachineAsync();

        var result = await RunAsync(SaveAndRestore, client, protocol, machine, size);

        var json = JsonDocument.Parse(result.Output.Split('\n').Single(line => line.StartsWith("RESULT ", StringComparison.Ordinal))[7..]).RootElement;
        Assert.Equal(JsonValueKind.Null, json.GetProperty("miss").ValueKind);
        Assert.True(json.GetProperty("saved").GetInt64() > 0, result.Output);
        Assert.Equal(-1, json.GetProperty("again").GetInt64());
        Assert.Contains("already exists", result.Output, StringComparison.OrdinalIgnoreCase);
        Assert.Equal("linux-abc", json.GetProperty("lookedUp").GetString());
        Assert.True(json.GetProperty("untouched").GetBoolean());
        Assert.Equal("linux-abc", json.GetProperty("exact").GetString());
        Assert.True(json.GetProperty("same").GetBoolean());
        Assert.Equal("linux-abc", json.GetProperty("prefix").GetString());
        Assert.Equal("linux-abc", json.GetProperty("crossOs").GetString());
        Assert.Equal(JsonValueKind.Null, json.GetProperty("other").ValueKind);
    }

    private async Task<CommandResult> RunAsync(string script, string client, string protocol, string bearer, int size)
    {
        var folder = Directory.CreateTempSubdirectory("lanyard-actions-");
        try
        {
            var environment = new Dictionary<string, string?>
            {
                ["CLIENT"] = client,
                ["SIZE"] = size.ToString(System.Globalization.CultureInfo.InvariantCulture),
                ["ACTIONS_RUNTIME_TOKEN"] = bearer,
                ["ACTIONS_CACHE_URL"] = _server.Url + "/runtime/cache/",
                ["ACTIONS_RESULTS_URL"] = _server.Url + "/",
                ["ACTIONS_CACHE_SERVICE_V2"] = protocol == "v2" ? "true" : null,
                ["GITHUB_SERVER_URL"] = null,
                ["GITHUB_WORKSPACE"] = folder.FullName,
                ["RUNNER_TEMP"] = folder.CreateSubdirectory("temp").FullName,
            };
            var result = await NodeScript.RunAsync(script, environment: environment, deadline: TimeSpan.FromMinutes(2));
            Assert.True(result.ExitCode == 0, $"{result.Output}\n{result.Errors}");
            return result;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
