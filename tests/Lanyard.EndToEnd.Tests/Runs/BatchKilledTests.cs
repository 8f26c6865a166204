using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>SIGKILL to the server while it works on many calls of one request: made again, each has happened once.</summary>
[Line("5.5")]
public sealed class BatchKilledTests
{
    private const int Count = 30;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(150);
    private static readonly string EmptyHash = Convert.ToHexStringLower(SHA256.HashData([]));
    private readonly List<(string Run, int Attempt)> _held = [];
    private string _session = "";

    [Theory]
    [InlineData("accept")]
    [InlineData("start")]
    [InlineData("end")]
    public Task A_server_that_is_killed_in_the_middle_of_a_batch_has_done_each_call_once_when_it_is_made_again(string victim) => SurvivesAsync(victim, null);

    [Theory]
    [InlineData("accept")]
    [InlineData("start")]
    [InlineData("end")]
    [Needs("postgres")]
    public async Task The_same_holds_on_postgresql(string victim) => await SurvivesAsync(victim, await (await PostgresServer.SharedAsync())!.CreateDatabaseAsync());

    private async Task SurvivesAsync(string victim, string? database)
    {
        await using var installation = await Installation.StartAsync(database);
        await using var cluster = await TestIssuer.StartAsync();
        using var admin = await FillAsync(installation, cluster);
        using var runner = installation.CreateClient(WireRunner.Bearer(cluster, installation.Url));
        var runs = await OfferedAsync(admin, runner);

        foreach (var kind in (string[])["accept", "start", "end"])
        {
            if (kind == victim)
            {
                var lost = SendAsync(runner, kind);
                await installation.KillServerAsync();
                await lost.ContinueWith(static _ => { }, TaskScheduler.Default);
                await installation.StartServerAsync();
            }

            Assert.Equal(Enumerable.Repeat(200, Count), await SendAsync(runner, kind));
        }

        foreach (var run in runs)
        {
            var view = await installation.WaitForEndAsync("acme", "prod", run, Patience);
            Assert.Equal(("succeeded", 1), (view["state"]!.GetValue<string>(), view["attempts"]!.AsArray().Count));
        }

        using var auditor = installation.CreateClient(await installation.AdminTokenAsync());
        var events = (await auditor.GetStringAsync(new Uri("/v1/audit?limit=500", UriKind.Relative))).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(static line => JsonNode.Parse(line)!["event"]!).Select(static told => $"{told["action"]} {told["target"]}").ToList();
        foreach (var action in (string[])["attempt.accept", "attempt.end"])
        {
            Assert.Equal(runs.Select(run => $"{action} {run}/1").Order(), events.Where(told => told.StartsWith(action, StringComparison.Ordinal)).Order());
        }

        (await installation.LanyardAsync("audit", "--verify")).Succeeded();
    }

    private static async Task<HttpClient> FillAsync(Installation installation, TestIssuer cluster)
    {
        await installation.ApplyAsync(Documents.Workspace("acme"), Documents.Collection("acme", "prod"), Documents.Definition("acme", "prod", "deploy", "true"));
        var admin = installation.CreateClient(await installation.AdminTokenAsync());
        await WireRunner.RegisterAsync(admin, installation.Url, cluster);
        await installation.ApplyAsync(WireRunner.Document("prod"));
        return admin;
    }

    private async Task<List<string>> OfferedAsync(HttpClient admin, HttpClient runner)
    {
        var open = """{"nonce":"0123456789abcdef","version":"1","concurrency":50,"labels":[],"executors":["process"],"sandboxed":true}""";
        _session = (await CallAsync(runner, "/v1/runner/session", JsonNode.Parse(open)!))["session"]!.GetValue<string>();
        for (var i = 0; i < Count; i++)
        {
            await CallAsync(admin, "/v1/workspaces/acme/collections/prod/runs", new JsonObject { ["definition"] = "deploy" });
        }

        while (_held.Count < Count)
        {
            var holds = new JsonArray([.. _held.Select(static held => new JsonObject { ["run"] = held.Run, ["attempt"] = held.Attempt, ["state"] = "offered" })]);
            var poll = new JsonObject { ["session"] = _session, ["free"] = Count - _held.Count, ["waitSeconds"] = 30, ["holds"] = holds };
            _held.AddRange((await CallAsync(runner, "/v1/runner/poll", poll))["offers"]!.AsArray().Select(static offer => (offer!["run"]!.GetValue<string>(), offer["attempt"]!.GetValue<int>())));
        }

        return _held.ConvertAll(static held => held.Run);
    }

    /// <returns>The status of each.</returns>
    private async Task<List<int>> SendAsync(HttpClient runner, string kind)
    {
        var calls = new JsonArray([.. _held.Select(held => new JsonObject { ["kind"] = kind, ["run"] = held.Run, ["attempt"] = held.Attempt, ["body"] = BodyOf(kind) })]);
        var answers = (await CallAsync(runner, "/v1/runner/calls", new JsonObject { ["calls"] = calls }))["answers"]!.AsArray();
        return [.. answers.Select(static answer => answer!["status"]!.GetValue<int>())];
    }

    private JsonObject BodyOf(string kind) => kind == "end"
        ? new JsonObject { ["session"] = _session, ["outcome"] = "succeeded", ["logBytes"] = 0, ["logSha256"] = EmptyHash }
        : new JsonObject { ["session"] = _session };

    private static async Task<JsonNode> CallAsync(HttpClient client, string path, JsonNode body)
    {
        using var content = JsonContent.Create(body);
        using var response = await client.PostAsync(new Uri(path, UriKind.Relative), content);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, $"{path}: {text}");
        return JsonNode.Parse(text)!;
    }
}
