using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Protocol.OAuth;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>Two servers on one PostgreSQL behind one address: whichever is asked, the promises of runs hold.</summary>
[Needs("postgres")]
[Needs("bwrap")]
[Line("2.9")]
[Line("5.8")]
public sealed class ReplicaTests
{
    private const string Audience = "https://sts.example";
    private const string Runs = "/v1/workspaces/acme/collections/prod/runs";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(150);
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(10);

    [Fact]
    [Line("2.10")]
    public async Task A_run_made_on_one_replica_wakes_a_runner_that_waits_on_the_other_and_its_token_dies_on_both()
    {
        await using var pair = await Pair.StartAsync();
        await pair.StartRunnerAsync();
        await pair.CreateAsync(pair.Second);
        // Far below the poll that would find it without a wake-up.
        var message = await pair.Mailbox.ReceiveAsync(TimeSpan.FromSeconds(30));
        Assert.True(await pair.IsActiveAsync(pair.First, message.Text));
        Assert.True(await pair.IsActiveAsync(pair.Second, message.Text));

        await message.AnswerAsync();

        foreach (var replica in (int[])[pair.First, pair.Second])
            await Eventually.HoldsAsync(async () => !await pair.IsActiveAsync(replica, message.Text), "the token is dead on every replica");
    }

    /// <summary>The design's bound is one second; on a busy machine a test can only say that it is soon, and that no request has to bring it about.</summary>
    [Fact]
    [Line("2.10")]
    [Line("2.5")]
    public async Task What_ends_or_is_revoked_on_one_replica_is_refused_on_the_other_the_runs_runtime_token_included()
    {
        await using var pair = await Pair.StartAsync();
        await using var cluster = await TestIssuer.StartAsync();
        using var runner = await pair.WireRunnerAsync(cluster);
        var run = await pair.CreateAsync(pair.First);
        var runtimeToken = await runner.AcceptAsync(run);
        var (status, identity) = await pair.MintAsync(pair.Second, runtimeToken);
        Assert.Equal(200, status);
        // Both replicas know the attempt as living, and have it in memory.
        Assert.True(await pair.IsActiveAsync(pair.First, identity));
        Assert.True(await pair.IsActiveAsync(pair.Second, identity));
        Assert.Equal(200, (await pair.MintAsync(pair.First, runtimeToken)).Status);

        await runner.EndAsync(run);

        // At once where it ended.
        Assert.False(await pair.IsActiveAsync(pair.First, identity));
        Assert.Equal(400, (await pair.MintAsync(pair.First, runtimeToken)).Status);
        await Eventually.HoldsAsync(async () => (await pair.MintAsync(pair.Second, runtimeToken)).Status == 400, "the runtime token is dead on the other replica", Soon);
        await Eventually.HoldsAsync(async () => !await pair.IsActiveAsync(pair.Second, identity), "the identity token is inactive on the other replica", Soon);

        var api = await pair.ApiTokenAsync();
        Assert.Equal(HttpStatusCode.OK, await pair.ReadAsync(pair.First, api));
        Assert.Equal(HttpStatusCode.OK, await pair.ReadAsync(pair.Second, api));
        await pair.RevokeAsync(pair.First, api);
        Assert.Equal(HttpStatusCode.Unauthorized, await pair.ReadAsync(pair.First, api));
        await Eventually.HoldsAsync(async () => await pair.ReadAsync(pair.Second, api) == HttpStatusCode.Unauthorized, "the revoked token is refused on the other replica", Soon);
    }

    [Fact]
    public async Task A_replica_killed_under_load_loses_nothing_and_nothing_is_done_twice()
    {
        const int Count = 16;
        await using var pair = await Pair.StartAsync();
        await pair.StartRunnerAsync("--concurrency", "2");
        var made = new List<string>();
        for (var i = 0; i < Count; i++) made.Add(await pair.CreateAsync(i % 2 == 0 ? pair.First : pair.Second));

        var said = new List<string>();
        for (var i = 0; i < Count; i++)
        {
            if (i == 4) await pair.KillFirstAsync();
            var message = await pair.Mailbox.ReceiveAsync(Patience);
            said.Add(message.Text);
            await message.AnswerAsync();
        }

        foreach (var run in made)
        {
            await Eventually.HoldsAsync(async () => (await pair.RunAsync(run))["finishedAt"] is not null, $"{run} ends", Patience);
            var view = await pair.RunAsync(run);
            Assert.Equal("succeeded", view["state"]!.GetValue<string>());
            var attempts = ((JsonArray)view["attempts"]!).Select(static a => (Number: a!["attempt"]!.GetValue<int>(), State: a["state"]!.GetValue<string>())).ToList();
            Assert.Equal(Enumerable.Range(1, attempts.Count), attempts.Select(static a => a.Number));
            Assert.Equal("ended", attempts[^1].State);
            Assert.All(attempts, static a => Assert.Contains(a.State, (string[])["ended", "lost"]));
        }

        Assert.Equal(said.Distinct(), said);
        Assert.Equal(made.Order(), said.Select(RunOf).Distinct().Order());
        Assert.Equal(0, pair.Mailbox.Drain());
    }

    /// <summary>A step says its identity token: run and attempt are in it.</summary>
    private static string RunOf(string token) =>
        JsonNode.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(token.Split('.')[1]))!["run"]!.GetValue<string>();

    /// <summary>Runners, CLI and the first servers' users come by the front; tests ask a replica by its own port.</summary>
    private sealed class Pair : IAsyncDisposable
    {
        private readonly SwitchingFront _front = new();
        private readonly List<ChildProcess> _processes = [];
        private readonly string _folder = $"/var/tmp/lanyard-e2e-{Guid.NewGuid():N}";
        private string _database = "";
        private string _bearer = "";

        public StepMailbox Mailbox { get; } = new();

        public int First { get; private set; }

        public int Second { get; private set; }

        private string Url => $"http://127.0.0.1:{_front.Port}";

        public static async Task<Pair> StartAsync()
        {
            var pair = new Pair();
            Directory.CreateDirectory(pair._folder);
            pair._database = await (await PostgresServer.SharedAsync())!.CreateDatabaseAsync();
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

        /// <summary>A runner of a cluster, which speaks to the first replica.</summary>
        public async Task<WireRunner> WireRunnerAsync(TestIssuer cluster)
        {
            using var admin = Client(First);
            await WireRunner.RegisterAsync(admin, Url, cluster);
            var file = Path.Combine(_folder, "runner.yaml");
            await File.WriteAllTextAsync(file, WireRunner.Document("prod"));
            (await LanyardAsync("apply", "-f", file)).Succeeded();
            return new WireRunner(Client(First, WireRunner.Bearer(cluster, Url)));
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

        private HttpClient Client(int replica, string? bearer = null)
        {
            var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{replica}") };
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
    }
}
