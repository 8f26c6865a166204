using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Lanyard.Identity.Jose;
using Lanyard.Testing;
using Lanyard.Testing.Installations;

namespace Lanyard.Bench.Parts;

/// <summary>A server of its own with a workspace, a collection, a definition and a cluster whose service accounts are runners.</summary>
internal sealed class BenchInstallation : IAsyncDisposable
{
    public const string Runs = "/v1/workspaces/acme/collections/main/runs";
    private readonly Installation _installation;
    private readonly HttpClient _admin;

    private BenchInstallation(Installation installation, TestIssuer issuer, HttpClient admin, string adminToken) =>
        (_installation, Issuer, _admin, AdminToken) = (installation, issuer, admin, adminToken);

    public TestIssuer Issuer { get; }

    /// <summary>Good for ten minutes.</summary>
    public string AdminToken { get; }

    /// <summary>For what is asked later than that.</summary>
    public Task<string> NewAdminTokenAsync() => _installation.AdminTokenAsync();

    public Uri Url => new(_installation.Url);

    public int ServerId => _installation.Server.Id;

    /// <param name="algorithm">Of the subject tokens.</param>
    public static async Task<BenchInstallation> StartAsync(string? database = null, SignatureAlgorithm algorithm = SignatureAlgorithm.ES256)
    {
        var installation = await Installation.StartAsync(database);
        var issuer = await TestIssuer.StartAsync();
        if (algorithm != SignatureAlgorithm.ES256)
            issuer.Rotate(algorithm);
        await installation.ApplyAsync(
            Documents.Workspace("acme"), Documents.Collection("acme", "main"), Documents.Definition("acme", "main", "build", "true"),
            Documents.TrustedIssuer("acme", "ci", issuer),
            Documents.TrustPolicy("acme", null, "ci", "ci", "repo:acme", $"roles: [viewer], audiences: ['{OutsideAudience}']"));
        var token = await installation.AdminTokenAsync();
        var made = new BenchInstallation(installation, issuer, installation.CreateClient(token), token);
        await made.RegisterClusterAsync();
        return made;
    }

    public Task ApplyAsync(params string[] documents) => _installation.ApplyAsync(documents);

    public const string OutsideAudience = "https://cloud.example.com";

    /// <summary>A token of the trusted issuer that the trust policy lets in.</summary>
    public string SubjectToken() => Mint("repo:acme");

    /// <summary>Collections <c>c0</c>, <c>c1</c> … with the same definition and one run each.</summary>
    public async Task AddCollectionsAsync(int count)
    {
        for (var i = 0; i < count; i++)
        {
            await PutAsync($"collections/c{i}", new JsonObject { ["spec"] = new JsonObject() });
            await PutAsync($"collections/c{i}/definitions/build", new JsonObject { ["spec"] = new JsonObject { ["steps"] = new JsonArray(new JsonObject { ["name"] = "main", ["script"] = "true" }) } });
            await CreateRunAsync($"c{i}");
        }
    }

    /// <returns>The run's id.</returns>
    public async Task<string> CreateRunAsync(string collection)
    {
        using var response = await _admin.PostAsync(
            new Uri($"{_installation.Url}/v1/workspaces/acme/collections/{collection}/runs"), new StringContent("""{"definition":"build"}""", null, "application/json"));
        var text = await response.Content.ReadAsStringAsync();
        return response.IsSuccessStatusCode ? JsonNode.Parse(text)!["id"]!.GetValue<string>() : throw new InvalidOperationException(text);
    }

    /// <summary>SIGKILL to the server, and another at the same address.</summary>
    public async Task RestartAsync()
    {
        await _installation.KillServerAsync();
        await _installation.StartServerAsync();
    }

    /// <summary>Makes a runner that serves the collections, without any the first one.</summary>
    /// <returns>Its bearer.</returns>
    public async Task<string> AddRunnerAsync(int number, params string[] collections)
    {
        var subject = $"system:serviceaccount:bench:r{number}";
        var spec = new JsonObject
        {
            ["spec"] = new JsonObject
            {
                ["collections"] = new JsonArray([.. (collections.Length == 0 ? ["main"] : collections).Select(static name => JsonValue.Create(name))]),
                ["identity"] = new JsonObject { ["cluster"] = "build", ["subject"] = subject },
            },
        };
        await PutAsync($"runners/r{number}", spec);
        return Mint(subject);
    }

    /// <summary>The server on one core, the load on the other, as the peer is measured.</summary>
    public static void Pin(int process, int core)
    {
        using var taskset = Process.Start(new ProcessStartInfo("taskset", ["-acp", $"{core}", $"{process}"]) { RedirectStandardOutput = true })!;
        taskset.WaitForExit();
    }

    public async ValueTask DisposeAsync()
    {
        _admin.Dispose();
        await _installation.DisposeAsync();
        await Issuer.DisposeAsync();
    }

    private string Mint(string subject) => Issuer.Mint(_installation.Url, subject, claims => claims["exp"] = claims["iat"]!.GetValue<long>() + 3000);

    private Task RegisterClusterAsync() => PutAsync("clusters/build", new JsonObject
    {
        ["spec"] = new JsonObject
        {
            ["issuer"] = Issuer.Issuer,
            ["keys"] = new JsonObject { ["jwks"] = JsonNode.Parse(Issuer.Jwks) },
            ["runner"] = new JsonObject { ["namespace"] = "bench", ["serviceAccount"] = "trial" },
        },
        ["token"] = Issuer.Mint(_installation.Url, "system:serviceaccount:bench:trial"),
    });

    private async Task PutAsync(string path, JsonObject body)
    {
        using var response = await _admin.PutAsync(new Uri($"{_installation.Url}/v1/workspaces/acme/{path}"), new StringContent(body.ToJsonString(), null, "application/json"));
        if (!response.IsSuccessStatusCode)
            throw new InvalidOperationException(await response.Content.ReadAsStringAsync());
    }
}
