using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Protocol.OAuth;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Sockets;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>Runners, CLI and the first servers' users come by the front; tests ask a replica by its own port.</summary>
internal sealed class ReplicaPair : IAsyncDisposable
{
    public const string Audience = "https://sts.example";
    private const string Runs = "/v1/workspaces/acme/collections/prod/runs";
    private readonly SwitchingFront _front = new();
    private readonly List<ChildProcess> _processes = [];
    private readonly string _folder = $"/var/tmp/lanyard-e2e-{Guid.NewGuid():N}";
    private string _database = "";
    private string _bearer = "";

    public StepMailbox Mailbox { get; } = new();

    public int First { get; private set; }

    public int Second { get; private set; }

    private string Url => $"http://127.0.0.1:{_front.Port}";

    /// <param name="database">As <c>--database</c> takes it; null: a new one of the shared PostgreSQL.</param>
    public static async Task<ReplicaPair> StartAsync(string? database = null)
    {
        var pair = new ReplicaPair();
        Directory.CreateDirectory(pair._folder);
        pair._database = database ?? await (await PostgresServer.SharedAsync())!.CreateDatabaseAsync();
        pair._front.Target = pair.First = await pair.StartServerAsync();
        pair.Second = await pair.StartServerAsync();
        var file = Path.Combine(pair._folder, "documents.yaml");
        await File.WriteAllTextAsync(file, string.Join("\n---\n",
            Documents.Workspace("acme"),
            Documents.Collection("acme", "prod"),
            Documents.Definition("acme", "prod", "deploy", pair.Mailbox.Say("\"$LANYARD_OIDC_TOKEN\""), $"audiences: [{{audience: '{Audience}'}}]", "oidc: true")));
        (await pair.LanyardAsync("apply", "-f", file)).Succeeded();
        pair._bearer = await AdminToken.GetAsync(pair.Url, pair.Data);
        return pair;
    }

    private string Data => Path.Combine(_folder, "data");

    public async Task StartRunnerAsync(params string[] arguments)
    {
        var runner = Keep(LanyardProcess.Start(
            ["runner", "--server", Url, "--work-dir", Path.Combine(_folder, "runner"), "--name", "host", "--key-file", Path.Combine(_folder, "host.pem"), .. arguments]));
        var words = await runner.WaitForErrorLineAsync("lanyard runner approve ", TimeSpan.FromSeconds(60));
        var fingerprint = words[(words.IndexOf("approve ", StringComparison.Ordinal) + "approve ".Length)..].Split(' ')[0];
        (await LanyardAsync("runner", "approve", fingerprint, "--name", "host", "--collection", "acme/prod")).Succeeded();
        await runner.WaitForErrorLineAsync("acme/prod", TimeSpan.FromSeconds(60));
    }

    /// <summary>A runner of a cluster.</summary>
    /// <param name="replicas">To which its calls go, one after the other; none: all to the first.</param>
    public async Task<WireRunner> WireRunnerAsync(TestIssuer cluster, params int[] replicas)
    {
        using var admin = Client(First);
        await WireRunner.RegisterAsync(admin, Url, cluster);
        var file = Path.Combine(_folder, "runner.yaml");
        await File.WriteAllTextAsync(file, WireRunner.Document("prod"));
        (await LanyardAsync("apply", "-f", file)).Succeeded();
        return new WireRunner(Client(First, WireRunner.Bearer(cluster, Url), replicas.Length == 0 ? null : new EachInTurn(replicas)));
    }

    /// <summary>An identity token for a runtime token, by one replica.</summary>
    public async Task<(int Status, string Token)> MintAsync(int replica, string runtimeToken)
    {
        using var response = await PostAsync(replica, "/oidc/acme/token", ("grant_type", OAuthNames.GrantTokenExchange), ("subject_token", runtimeToken),
            ("subject_token_type", OAuthNames.TokenTypeAccessToken), ("audience", Audience));
        var body = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        return ((int)response.StatusCode, body["access_token"]?.GetValue<string>() ?? "");
    }

    public Task<string> ApiTokenAsync() => AdminToken.GetAsync(Url, Data);

    public async Task<HttpStatusCode> ReadAsync(int replica, string bearer)
    {
        using var client = Client(replica, bearer);
        using var response = await client.GetAsync(new Uri("/v1/workspaces", UriKind.Relative));
        return response.StatusCode;
    }

    public async Task RevokeAsync(int replica, string token)
    {
        using var response = await PostAsync(replica, "/revoke", ("token", token));
        response.EnsureSuccessStatusCode();
    }

    /// <returns>The run's id.</returns>
    public async Task<string> CreateAsync(int replica)
    {
        using var client = Client(replica);
        using var body = new StringContent("""{"definition":"deploy"}""", Encoding.UTF8, "application/json");
        using var response = await client.PostAsync(new Uri(Runs, UriKind.Relative), body);
        response.EnsureSuccessStatusCode();
        return JsonNode.Parse(await response.Content.ReadAsStringAsync())!["id"]!.GetValue<string>();
    }

    public async Task<JsonNode> RunAsync(string run)
    {
        using var client = Client(Second);
        return JsonNode.Parse(await client.GetStringAsync(new Uri($"{Runs}/{run}", UriKind.Relative)))!;
    }

    public async Task<bool> IsActiveAsync(int replica, string token)
    {
        using var client = Client(replica);
        using var form = new FormUrlEncodedContent([KeyValuePair.Create("token", token)]);
        using var response = await client.PostAsync(new Uri("/oidc/acme/introspect", UriKind.Relative), form);
        response.EnsureSuccessStatusCode();
        return JsonNode.Parse(await response.Content.ReadAsStringAsync())!["active"]!.GetValue<bool>();
    }

    /// <summary>As a caller who does not give up makes it: the same call again, with one key, until it is answered.</summary>
    /// <returns>The run's id.</returns>
    public async Task<string> CreateStubbornlyAsync(int replica, TimeSpan patience)
    {
        var key = Guid.NewGuid().ToString("N");
        string? made = null;
        await Eventually.HoldsAsync(
            async () =>
            {
                using var client = Client(replica);
                client.Timeout = TimeSpan.FromSeconds(20);
                client.DefaultRequestHeaders.Add("Idempotency-Key", key);
                using var body = new StringContent("""{"definition":"deploy"}""", Encoding.UTF8, "application/json");
                try
                {
                    using var response = await client.PostAsync(new Uri(Runs, UriKind.Relative), body);
                    var text = await response.Content.ReadAsStringAsync();
                    if ((int)response.StatusCode is >= 400 and < 500) throw new InvalidOperationException(text);
                    return response.IsSuccessStatusCode && (made = JsonNode.Parse(text)!["id"]!.GetValue<string>()) is not null;
                }
                catch (Exception exception) when (exception is HttpRequestException or OperationCanceledException)
                {
                    return false;
                }
            },
            "the run is made",
            patience);
        return made!;
    }

    /// <summary>Follows a run's log on one replica.</summary>
    /// <returns>Its next event's name and data each time; null at the end.</returns>
    /// <param name="bearer">Null: the admin's.</param>
    public async Task<LogFollower> FollowAsync(int replica, string run, string? bearer = null)
    {
        var client = Client(replica);
        if (bearer is not null) client.DefaultRequestHeaders.Authorization = new("Bearer", bearer);
        return new LogFollower(client, new StreamReader(await client.GetStreamAsync(new Uri($"{Runs}/{run}/logs/stream", UriKind.Relative))));
    }

    /// <summary>The ids of all runs that the collection has.</summary>
    public async Task<List<string>> AllRunsAsync()
    {
        using var client = Client(Second);
        return [.. JsonNode.Parse(await client.GetStringAsync(new Uri($"{Runs}?limit=500", UriKind.Relative)))!["items"]!.AsArray().Select(static run => run!["id"]!.GetValue<string>())];
    }

    /// <summary>What the servers have written to their logs.</summary>
    public string Errors => string.Join("\n", _processes.Take(2).Select(static server => server.Errors));

    public async Task<string> VerifyAuditAsync() => (await LanyardAsync("audit", "--verify")).Succeeded();

    public async Task KillFirstAsync()
    {
        _processes[0].Kill();
        await _processes[0].WaitForExitAsync();
        _front.Target = Second;
    }

    public async ValueTask DisposeAsync()
    {
        for (var i = _processes.Count - 1; i >= 0; i--) await _processes[i].DisposeAsync();
        await _front.DisposeAsync();
        await Mailbox.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task<int> StartServerAsync()
    {
        var port = FreePort.Take();
        var server = Keep(LanyardProcess.Start(["server", "--listen", $"127.0.0.1:{port}", "--public-url", Url, "--data-dir", Data, "--database", _database]));
        await server.WaitForErrorLineAsync("ready at ", TimeSpan.FromSeconds(90));
        return port;
    }

    private Task<CommandResult> LanyardAsync(params string[] arguments) => LanyardProcess.RunAsync(
        arguments, new Dictionary<string, string?> { ["LANYARD_DATA_DIR"] = Data, ["LANYARD_SERVER"] = Url }, deadline: TimeSpan.FromSeconds(120));

    private HttpClient Client(int replica, string? bearer = null, HttpMessageHandler? handler = null)
    {
        var client = new HttpClient(handler ?? new SocketsHttpHandler()) { BaseAddress = new Uri($"http://127.0.0.1:{replica}") };
        client.DefaultRequestHeaders.Authorization = new("Bearer", bearer ?? _bearer);
        return client;
    }

    private static async Task<HttpResponseMessage> PostAsync(int replica, string path, params (string Name, string Value)[] fields)
    {
        using var client = new HttpClient();
        using var form = new FormUrlEncodedContent(fields.Select(static field => KeyValuePair.Create(field.Name, field.Value)));
        return await client.PostAsync(new Uri($"http://127.0.0.1:{replica}{path}"), form);
    }

    private ChildProcess Keep(ChildProcess process)
    {
        _processes.Add(process);
        return process;
    }

    /// <summary>As something that stands before replicas and sends nobody to the same one twice.</summary>
    private sealed class EachInTurn(int[] ports) : DelegatingHandler(new SocketsHttpHandler())
    {
        private int _calls = -1;

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.RequestUri = new UriBuilder(request.RequestUri!) { Port = ports[Interlocked.Increment(ref _calls) % ports.Length] }.Uri;
            return base.SendAsync(request, cancellationToken);
        }
    }
}
