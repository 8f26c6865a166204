using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Cache;

/// <summary>The real program, its CLI, and the unmodified client of actions/cache with the four lines that the CLI prints.</summary>
[Needs("npm")]
public sealed class CacheTests : IAsyncLifetime
{
    /// <summary>What the client computes for the one path <c>d</c>, with zstd and with gzip.</summary>
    private static readonly string[] Versions =
        ["27f8be18ef5e1caed930dca7d1eee52027a00251f123574ae008fb5bc130f5ca", "820bce09e6625141e3f2da9f99c9f3400169e11aa70d0c8c6b90bc39d606fc24"];

    private const string SaveAndRestore =
        """
        import { createRequire } from 'node:module';
        import * as fs from 'node:fs';
        import * as crypto from 'node:crypto';
        const cache = createRequire(import.meta.url)('actions-cache-5');
        process.chdir(process.env.GITHUB_WORKSPACE);
        fs.mkdirSync('d');
        fs.writeFileSync('d/content', crypto.randomBytes(3_000_000));
        const hash = () => crypto.createHash('sha256').update(fs.readFileSync('d/content')).digest('hex');
        const before = hash();
        const saved = await cache.saveCache(['d'], process.env.KEY);
        fs.rmSync('d', { recursive: true });
        const restored = await cache.restoreCache(['d'], process.env.KEY);
        const same = restored !== undefined && hash() === before;
        console.log('RESULT ' + JSON.stringify({ saved, restored: restored ?? null, same }));
        """;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("lanyard-cache-e2e-");
    private readonly int _port = FreePort.Take();
    private ChildProcess _server = null!;

    private string Data => Path.Combine(_folder.FullName, "data");

    public async ValueTask InitializeAsync()
    {
        _server = await StartServerAsync();
        var workspace = Path.Combine(_folder.FullName, "workspace.yaml");
        await File.WriteAllTextAsync(workspace, "kind: Workspace\nmetadata:\n  slug: acme\nspec: {}\n");
        (await CliAsync("apply", "-f", workspace)).Succeeded();
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    [Line("4.1")]
    [Line("4.3")]
    public async Task Four_printed_lines_are_all_that_the_client_needs()
    {
        var environment = await MachineAsync("--repository", "demo/app", "--ref", "refs/heads/main");

        var result = await ClientAsync(environment, "linux-abc");

        Assert.Equal(["ACTIONS_CACHE_SERVICE_V2", "ACTIONS_CACHE_URL", "ACTIONS_RESULTS_URL", "ACTIONS_RUNTIME_TOKEN"], environment.Keys.Order(StringComparer.Ordinal));
        Assert.True(result.GetProperty("saved").GetInt64() > 0);
        Assert.Equal(("linux-abc", true), (result.GetProperty("restored").GetString(), result.GetProperty("same").GetBoolean()));
        Assert.DoesNotContain(environment["ACTIONS_RUNTIME_TOKEN"]!.Split('.')[2], _server.Errors, StringComparison.Ordinal);
    }

    [Fact]
    [Line("4.2")]
    [Line("4.9")]
    public async Task A_foreign_repository_finds_nothing_and_a_dead_or_foreign_token_is_a_401_in_json()
    {
        var own = await MachineAsync("--repository", "demo/app", "--ref", "refs/heads/main");
        var foreign = await MachineAsync("--repository", "demo/other", "--ref", "refs/heads/main");
        Assert.True((await ClientAsync(own, "k")).GetProperty("saved").GetInt64() > 0);

        var (_, body) = await LookUpAsync(foreign["ACTIONS_RUNTIME_TOKEN"]!, "k");
        Assert.Equal("""{"ok":false}""", body);
        Assert.Contains("\"ok\":true", (await LookUpAsync(own["ACTIONS_RUNTIME_TOKEN"]!, "k")).Body, StringComparison.Ordinal);

        var id = JsonDocument.Parse((await GetAsync("/runtime/whoami", own["ACTIONS_RUNTIME_TOKEN"]!)).Body).RootElement.GetProperty("id").GetString()!;
        (await CliAsync("machine", "delete", "-w", "acme", id)).Succeeded();

        foreach (var token in (string[])[own["ACTIONS_RUNTIME_TOKEN"]!, own["ACTIONS_RUNTIME_TOKEN"]![..^3] + "AAA", "nonsense"])
        {
            var (status, refusal) = await LookUpAsync(token, "k");
            Assert.Equal((HttpStatusCode.Unauthorized, "unauthenticated"), (status, JsonDocument.Parse(refusal).RootElement.GetProperty("code").GetString()));
        }

        Assert.Equal(HttpStatusCode.Unauthorized, (await GetAsync("/v1/workspaces", foreign["ACTIONS_RUNTIME_TOKEN"]!)).Status);
    }

    [Fact]
    [Line("4.4")]
    [Line("4.5")]
    public async Task After_a_kill_in_the_middle_of_an_upload_the_same_machine_saves_the_same_key_and_nothing_is_left_over()
    {
        var environment = await MachineAsync("--repository", "demo/app", "--ref", "refs/heads/main");
        using var first = await UploadHalfAsync(environment["ACTIONS_RUNTIME_TOKEN"]!, "k", Versions[0]);
        using var second = await UploadHalfAsync(environment["ACTIONS_RUNTIME_TOKEN"]!, "k", Versions[1]);

        _server.Kill();
        await _server.WaitForExitAsync();
        _server = await StartServerAsync();
        var result = await ClientAsync(environment, "k");

        Assert.True(result.GetProperty("saved").GetInt64() > 0, result.GetRawText());
        Assert.Equal(("k", true), (result.GetProperty("restored").GetString(), result.GetProperty("same").GetBoolean()));
        var saved = Assert.Single(CacheFiles().GroupBy(file => Path.GetDirectoryName(file)), folder => folder.Any(file => new FileInfo(file).Length > 2_000_000));
        Assert.Single(saved);
    }

    private string[] CacheFiles() =>
        Directory.Exists(Path.Combine(Data, "cache")) ? [.. Directory.GetFiles(Path.Combine(Data, "cache"), "*", SearchOption.AllDirectories).Where(static file => Path.GetFileName(file) != ".lanyard-cache")] : [];

    /// <returns>The connection of the upload: once nobody holds it, its finalizer closes it, and the upload is over.</returns>
    private async Task<TcpClient> UploadHalfAsync(string token, string key, string version)
    {
        var (_, body) = await PostAsync("CreateCacheEntry", token, $$"""{"key":"{{key}}","version":"{{version}}"}""");
        var url = new Uri(JsonDocument.Parse(body).RootElement.GetProperty("signed_upload_url").GetString()!);
        var before = CacheFiles().Length;
        var client = new TcpClient();
        await client.ConnectAsync(url.Host, url.Port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"PUT {url.PathAndQuery} HTTP/1.1\r\nHost: {url.Authority}\r\nContent-Length: 4000000\r\n\r\n"));
        await client.GetStream().WriteAsync(new byte[2_000_000]);
        await Eventually.HoldsAsync(() => Task.FromResult(CacheFiles().Length > before), "bytes of the upload on disk");
        return client;
    }

    private Task<(HttpStatusCode Status, string Body)> LookUpAsync(string token, string key) =>
        PostAsync("GetCacheEntryDownloadURL", token, $$"""{"key":"{{key}}","version":"{{Versions[0]}}"}""");

    private Task<(HttpStatusCode Status, string Body)> PostAsync(string method, string token, string json) =>
        SendAsync(new HttpRequestMessage(HttpMethod.Post, $"http://127.0.0.1:{_port}/twirp/github.actions.results.api.v1.CacheService/{method}")
        {
            Content = new StringContent(json, Encoding.UTF8, "application/json"),
        }, token);

    private Task<(HttpStatusCode Status, string Body)> GetAsync(string path, string token) =>
        SendAsync(new HttpRequestMessage(HttpMethod.Get, $"http://127.0.0.1:{_port}{path}"), token);

    private static async Task<(HttpStatusCode Status, string Body)> SendAsync(HttpRequestMessage request, string token)
    {
        using var client = new HttpClient();
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var response = await client.SendAsync(request);
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    /// <returns>The environment that <c>--env</c> prints.</returns>
    private async Task<Dictionary<string, string?>> MachineAsync(params string[] arguments) =>
        (await CliAsync(["machine", "create", "-w", "acme", "--env", .. arguments])).Succeeded()
            .Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('=', 2)).ToDictionary(pair => pair[0], pair => (string?)pair[1]);

    private async Task<JsonElement> ClientAsync(Dictionary<string, string?> environment, string key)
    {
        var scratch = _folder.CreateSubdirectory(Guid.NewGuid().ToString("N"));
        var all = new Dictionary<string, string?>(environment)
        {
            ["KEY"] = key,
            ["GITHUB_SERVER_URL"] = null,
            ["GITHUB_WORKSPACE"] = scratch.FullName,
            ["RUNNER_TEMP"] = scratch.CreateSubdirectory("temp").FullName,
        };
        var output = (await NodeScript.RunAsync(SaveAndRestore, environment: all, deadline: TimeSpan.FromMinutes(2))).Succeeded();
        return JsonDocument.Parse(output.Split('\n').Single(line => line.StartsWith("RESULT ", StringComparison.Ordinal))[7..]).RootElement;
    }

    private Task<CommandResult> CliAsync(params string[] arguments) =>
        LanyardProcess.RunAsync(arguments, new Dictionary<string, string?> { ["LANYARD_DATA_DIR"] = Data });

    private async Task<ChildProcess> StartServerAsync()
    {
        var server = LanyardProcess.Start(["server", "--data-dir", Data, "--listen", $"127.0.0.1:{_port}"]);
        await server.WaitForErrorLineAsync("ready at");
        return server;
    }
}
