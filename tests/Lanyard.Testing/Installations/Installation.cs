using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Sockets;

namespace Lanyard.Testing.Installations;

/// <summary>
/// A whole Lanyard for a test, of real processes: a server with a data directory of its own, the CLI as its admin, runners. It lies under
/// <c>/var/tmp</c>, where the uids of steps can enter.
/// </summary>
public sealed class Installation : IAsyncDisposable
{
    private const string ReadyWords = "lanyard server: ready at ";
    private readonly string? _database;
    private readonly List<ChildProcess> _processes = [];
    private readonly List<ChildProcess> _runners = [];
    private int _files;

    private readonly SwitchingFront? _front;
    private IReadOnlyDictionary<string, string?>? _environment;

    private Installation(string folder, string? database, SwitchingFront? front)
    {
        Folder = folder;
        _database = database;
        _front = front;
    }

    /// <summary>Enterable by everybody; what is secret in it has folders of its own.</summary>
    public string Folder { get; }

    public string DataFolder => Path.Combine(Folder, "data");

    /// <summary>The instance's URL: issuer of its API tokens, audience of workload tokens; without a slash at its end.</summary>
    public string Url { get; private set; } = "http://127.0.0.1:0";

    public ChildProcess Server { get; private set; } = null!;

    /// <summary>What to trust for its TLS; null: it has none.</summary>
    public string? CertificateFile { get; private set; }

    public string IssuerOf(string workspace) => $"{Url}/oidc/{workspace}";

    /// <param name="database">For <c>--database</c>; null: SQLite.</param>
    /// <param name="front">What stands before the server: its address is the instance's. The caller disposes it.</param>
    /// <param name="address">Of a network that the test has made: the server listens there, with TLS. Null: loopback, without.</param>
    /// <param name="environment">The server's, beside what it has of this process.</param>
    public static async Task<Installation> StartAsync(
        string? database = null, SwitchingFront? front = null, IPAddress? address = null, IReadOnlyDictionary<string, string?>? environment = null)
    {
        var folder = $"/var/tmp/lanyard-e2e-{Guid.NewGuid():N}";
        Directory.CreateDirectory(folder);
        var installation = new Installation(folder, database, front) { _environment = environment };
        if (address is not null)
        {
            installation.UseTls(address);
        }

        try
        {
            await installation.StartServerAsync();
            return installation;
        }
        catch
        {
            await installation.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the server; after the first time at the address that it had.</summary>
    public async Task StartServerAsync()
    {
        if (_front is not null)
        {
            (Url, _front.Target) = ($"http://127.0.0.1:{_front.Port}", FreePort.Take());
        }

        string[] arguments =
        [
            "server", "--data-dir", DataFolder, .. _database is null ? [] : new[] { "--database", _database },
            .. _front is null ? ["--listen", new Uri(Url).Authority] : new[] { "--listen", $"127.0.0.1:{_front.Target}", "--public-url", Url },
            .. CertificateFile is null ? [] : new[] { "--tls-cert-file", CertificateFile, "--tls-private-key-file", CertificateFile + ".key" },
        ];
        Server = Keep(LanyardProcess.Start(arguments, _environment));
        var ready = await Server.WaitForErrorLineAsync(ReadyWords, TimeSpan.FromSeconds(90));
        if (_front is null)
        {
            Url = ready[(ready.IndexOf(ReadyWords, StringComparison.Ordinal) + ReadyWords.Length)..];
        }
    }

    /// <summary>SIGKILL to the server.</summary>
    public async Task KillServerAsync()
    {
        Server.Kill();
        await Server.WaitForExitAsync();
    }

    /// <summary>The CLI on the server's host: its admin key proves who it is.</summary>
    public Task<CommandResult> LanyardAsync(params string[] arguments) => LanyardProcess.RunAsync(
        arguments,
        new Dictionary<string, string?>
        {
            ["LANYARD_DATA_DIR"] = DataFolder,
            ["ACTIONS_ID_TOKEN_REQUEST_URL"] = null,
            ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = null,
            ["SSL_CERT_FILE"] = CertificateFile,
        },
        deadline: TimeSpan.FromSeconds(120));

    /// <summary>The JSON that the CLI prints with <c>-o json</c>.</summary>
    public async Task<JsonNode> LanyardJsonAsync(params string[] arguments) =>
        JsonNode.Parse((await LanyardAsync([.. arguments, "-o", "json"])).Succeeded())!;

    /// <summary><c>lanyard apply</c> of these YAML (or JSON) documents.</summary>
    public async Task ApplyAsync(params string[] documents)
    {
        var file = WriteFile(string.Join("\n---\n", documents));
        (await LanyardAsync("apply", "-f", file)).Succeeded();
    }

    /// <summary>A private file of this installation, such as one with a token.</summary>
    public string WriteFile(string text)
    {
        var path = Path.Combine(Folder, $"file-{Interlocked.Increment(ref _files)}");
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return path;
    }

    /// <summary>A runner of this installation, which ends with it; each name has a folder of its own, which a later runner of the name takes over.</summary>
    public ChildProcess StartRunner(string name, params string[] arguments)
    {
        _runners.Add(Keep(LanyardProcess.Start(["runner", "--server", Url, "--work-dir", Path.Combine(Folder, "runner-" + name), "--name", name, .. arguments])));
        return _runners[^1];
    }

    /// <summary>A runner on this host with a key of its own, approved by its fingerprint.</summary>
    public async Task<ChildProcess> StartApprovedRunnerAsync(string name, IEnumerable<string> collections, params string[] arguments)
    {
        var runner = StartRunner(name, ["--key-file", KeyFile(name), .. arguments]);
        var words = await runner.WaitForErrorLineAsync("lanyard runner approve ", TimeSpan.FromSeconds(60));
        var fingerprint = words[(words.IndexOf("approve ", StringComparison.Ordinal) + "approve ".Length)..].Split(' ')[0];
        string[] given = [.. collections.SelectMany(static collection => (string[])["--collection", collection])];
        (await LanyardAsync(["runner", "approve", fingerprint, "--name", name, .. given])).Succeeded();
        return runner;
    }

    /// <summary>The key file of a runner that <see cref="StartApprovedRunnerAsync"/> started.</summary>
    public string KeyFile(string name) => Path.Combine(Folder, name + ".pem");

    /// <summary>HTTP to the server with this bearer, or with none.</summary>
    public HttpClient CreateClient(string? bearer = null)
    {
        var client = new HttpClient(Handler(), disposeHandler: true) { BaseAddress = new Uri(Url) };
        client.DefaultRequestHeaders.Authorization = bearer is null ? null : new AuthenticationHeaderValue("Bearer", bearer);
        return client;
    }

    /// <summary>An API token of the admin, by an assertion of its key (RFC 7523).</summary>
    public async Task<string> AdminTokenAsync()
    {
        using var handler = Handler();
        return await AdminToken.GetAsync(Url, DataFolder, handler);
    }

    /// <summary>A form to a path of the server.</summary>
    /// <returns>Status and JSON body; null where it has none.</returns>
    public async Task<(int Status, JsonNode? Body)> PostFormAsync(string path, string? bearer, params (string Name, string Value)[] fields)
    {
        using var client = CreateClient(bearer);
        using var form = new FormUrlEncodedContent(fields.Select(static field => KeyValuePair.Create(field.Name, field.Value)));
        using var response = await client.PostAsync(new Uri(Url + path), form);
        var text = await response.Content.ReadAsStringAsync();
        return ((int)response.StatusCode, text.Length == 0 ? null : JsonNode.Parse(text));
    }

    /// <summary>Waits until a run is over.</summary>
    /// <returns>It, with its attempts.</returns>
    public async Task<JsonNode> WaitForEndAsync(string workspace, string collection, string run, TimeSpan? deadline = null)
    {
        JsonNode view = new JsonObject();
        using var client = CreateClient(await AdminTokenAsync());
        await Eventually.HoldsAsync(
            async () =>
            {
                view = JsonNode.Parse(await client.GetStringAsync(new Uri($"{Url}/v1/workspaces/{workspace}/collections/{collection}/runs/{run}")))!;
                return view["finishedAt"] is not null;
            },
            () => $"{run} ends\nit is: {view}\nserver said: {Server.Errors}\nits runners said: {string.Join('\n', _runners.Select(static runner => $"{(runner.HasExited ? "(has ended) " : "")}{runner.Errors}"))}",
            deadline ?? TimeSpan.FromSeconds(60));
        return view;
    }

    public async ValueTask DisposeAsync()
    {
        // The newest first: runners before their server.
        for (var i = _processes.Count - 1; i >= 0; i--) await _processes[i].DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }

    private void UseTls(IPAddress address)
    {
        var file = Path.Combine(Folder, "tls.pem");
        using var certificate = TestCertificates.Create("localhost", address);
        File.WriteAllText(file, certificate.ExportCertificatePem());
        File.WriteAllText(file + ".key", certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        File.SetUnixFileMode(file + ".key", UnixFileMode.UserRead | UnixFileMode.UserWrite);
        (CertificateFile, Url) = (file, $"https://{address}:0");
    }

    private SocketsHttpHandler Handler()
    {
        var handler = new SocketsHttpHandler();
        if (CertificateFile is not null)
        {
            var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            policy.CustomTrustStore.ImportFromPemFile(CertificateFile);
            handler.SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy };
        }

        return handler;
    }

    private ChildProcess Keep(ChildProcess process)
    {
        _processes.Add(process);
        return process;
    }
}
