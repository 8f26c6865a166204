using System.Net;
using System.Text.Json;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Cache;

/// <summary>The real program with a cache, and the real client.</summary>
public abstract class ConformanceTestBase(CacheInstallation cache) : IClassFixture<CacheInstallation>
{
    private protected CacheInstallation Cache => cache;

    private protected const string SaveAndRestore =
        """
        import { createRequire } from 'node:module';
        import * as dns from 'node:dns';
        import * as fs from 'node:fs';
        const real = dns.lookup;
        dns.default.lookup = (host, options, done) => host.endsWith('.example') ? (typeof options === 'function' ? options : done)(null, options.all ? [{ address: '127.0.0.1', family: 4 }] : '127.0.0.1', 4) : real(host, options, done);
        const cache = createRequire(import.meta.url)('actions-cache-5');
        process.chdir(process.env.GITHUB_WORKSPACE);
        fs.mkdirSync('d', { recursive: true });
        if (Number(process.env.SIZE) > 0) fs.writeFileSync('d/content', Buffer.alloc(Number(process.env.SIZE), 7));
        const saved = await cache.saveCache(['d'], process.env.KEY);
        fs.rmSync('d', { recursive: true });
        const found = await cache.restoreCache(['d'], process.env.KEY);
        const size = fs.existsSync('d/content') ? fs.statSync('d/content').size : fs.existsSync('d') ? 0 : -1;
        console.log('RESULT ' + JSON.stringify({ saved, found: found ?? null, size }));
        """;

    private protected static bool IsOk(CacheAnswer answer) => answer.Json.TryGetProperty("ok", out var ok) && ok.GetBoolean();

    private protected async Task<HttpStatusCode> StatusAsync(HttpMethod method, string url)
    {
        using var request = new HttpRequestMessage(method, url);
        if (method == HttpMethod.Put) request.Content = new ByteArrayContent([1]);
        using var response = await Cache.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        return response.StatusCode;
    }

    /// <returns>Size of what was restored, and the key found.</returns>
    private protected async Task<(int Size, string? Key)> ClientAsync(string token, string url, string key, int size, bool second = true)
    {
        var scratch = Directory.CreateTempSubdirectory("lanyard-conformance-");
        try
        {
            var environment = new Dictionary<string, string?>
            {
                ["ACTIONS_RUNTIME_TOKEN"] = token,
                ["ACTIONS_RESULTS_URL"] = url + "/",
                ["ACTIONS_CACHE_URL"] = url + "/runtime/cache/",
                ["ACTIONS_CACHE_SERVICE_V2"] = second ? "true" : null,
                ["GITHUB_SERVER_URL"] = null,
                ["GITHUB_WORKSPACE"] = scratch.FullName,
                ["RUNNER_TEMP"] = scratch.CreateSubdirectory("temp").FullName,
                ["KEY"] = key,
                ["SIZE"] = size.ToString(System.Globalization.CultureInfo.InvariantCulture),
            };
            var output = (await NodeScript.RunAsync(SaveAndRestore, environment: environment, deadline: TimeSpan.FromMinutes(3))).Succeeded();
            var said = JsonDocument.Parse(output.Split('\n').Single(static line => line.StartsWith("RESULT ", StringComparison.Ordinal))[7..]).RootElement;
            Assert.True(said.GetProperty("saved").GetInt64() > 0, output);
            return (said.GetProperty("size").GetInt32(), said.GetProperty("found").GetString());
        }
        finally
        {
            scratch.Delete(recursive: true);
        }
    }
}
