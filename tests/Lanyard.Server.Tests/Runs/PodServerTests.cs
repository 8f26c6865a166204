using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Server.Tests.Federation;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

/// <summary>The whole server, with its own door, a cluster that it knows, and that cluster's runner with a session.</summary>
public abstract class PodServerTests : IAsyncLifetime
{
    private const string Runner = "system:serviceaccount:runs:runner";

    private protected ManualTime Time { get; } = new();

    private protected DoorServer Server { get; private set; } = null!;

    private protected TestIssuer Cluster { get; private set; } = null!;

    private protected string Session { get; set; } = "";

    /// <summary>The last that was taken: whose pod a token is of where nothing else is said.</summary>
    private string _run = "";

    public async ValueTask InitializeAsync()
    {
        Server = await DoorServer.StartAsync(Time);
        Cluster = await TestIssuer.StartAsync(Time);
        await Server.PutAsync("/v1/workspaces/acme", "{}");
        await Server.PutAsync("/v1/workspaces/acme/collections/prod", """{"pod":{"image":"tools:1","user":1000}}""");
        await Server.PutAsync(
            "/v1/workspaces/acme/collections/prod/definitions/deploy",
            """{"executor":"kubernetes","pod":{"image":"tools:2"},"steps":[{"name":"a","script":"true"}],"audiences":[{"audience":"sts"}]}""");
        await RegisterAsync("lab", Cluster);
        await Server.PutAsync(
            "/v1/workspaces/acme/runners/pods", $$$"""{"collections":["prod"],"identity":{"cluster":"lab","subject":"{{{Runner}}}"}}""");
        Session = await OpenAsync("kubernetes");
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        await Cluster.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private protected static string NameOf(string run) => $"{run.Replace('_', '-')}-1-x7k2p";

    private protected string Own() => Cluster.Mint(Server.Url, Runner);

    private protected string Pod(
        string uid = "u1", string? name = null, string place = "runs", string account = "run", bool isBound = true, string? subject = null, TestIssuer? cluster = null) =>
        (cluster ?? Cluster).Mint(Server.Url, subject ?? $"system:serviceaccount:{place}:{account}", claims =>
        {
            var about = new JsonObject { ["namespace"] = place, ["serviceaccount"] = new JsonObject { ["name"] = account, ["uid"] = "s1" } };
            if (isBound)
                about["pod"] = new JsonObject { ["name"] = name ?? NameOf(_run), ["uid"] = uid };
            claims["kubernetes.io"] = about;
        });

    private protected async Task RegisterAsync(string slug, TestIssuer cluster)
    {
        var (status, json) = await Server.SendAsync(HttpMethod.Put, $"/v1/workspaces/acme/clusters/{slug}", $$$"""
            {"spec":{"issuer":"{{{cluster.Issuer}}}","keys":{"jwks":{{{cluster.Jwks}}}},"runner":{"namespace":"runs","serviceAccount":"runner"}},
             "token":"{{{cluster.Mint(Server.Url, Runner)}}}"}
            """);
        Assert.True(status == HttpStatusCode.Created, json.ToJsonString());
    }

    private protected async Task<string> OpenAsync(string executor, string nonce = "nonce-of-the-first-process") =>
        (await SayAsync(
            HttpMethod.Post, "/v1/runner/session",
            $$"""{"nonce":"{{nonce}}","version":"1","concurrency":4,"labels":[],"executors":["{{executor}}"],"sandboxed":true}""", Own())).Json["session"]!.GetValue<string>();

    private protected async Task<string> CreateAsync()
    {
        var (status, json) = await Server.SendAsync(HttpMethod.Post, "/v1/workspaces/acme/collections/prod/runs", """{"definition":"deploy"}""");
        Assert.True(status == HttpStatusCode.Created, json.ToJsonString());
        return json["id"]!.GetValue<string>();
    }

    private protected async Task<JsonNode> PollAsync() =>
        (await SayAsync(HttpMethod.Post, "/v1/runner/poll", $$"""{"session":"{{Session}}","free":1,"waitSeconds":0,"holds":[]}""", Own())).Json;

    /// <summary>A run that the runner has accepted.</summary>
    private protected async Task<string> TakeAsync()
    {
        var run = await CreateAsync();
        Assert.Equal(run, (await PollAsync())["offers"]!.AsArray().Single()!["run"]!.GetValue<string>());
        Assert.Equal(HttpStatusCode.OK, (await AttemptAsync(run, "accept", $$"""{"session":"{{Session}}"}""", Own())).Status);
        _run = run;
        return run;
    }

    private protected Task<(HttpStatusCode Status, JsonNode Json)> BindAsync(string run, string uid = "u1", string account = "run", string? session = null, string? bearer = null, string? name = null) => SayAsync(
        HttpMethod.Put, $"/v1/runner/attempts/{run}/1/pod",
        $$"""{"session":"{{session ?? Session}}","namespace":"runs","name":"{{name ?? NameOf(run)}}","uid":"{{uid}}","serviceAccount":"{{account}}"}""", bearer ?? Own());

    private protected Task<(HttpStatusCode Status, JsonNode Json)> AcceptAsync(string run, string bearer) => AttemptAsync(run, "accept", """{"session":""}""", bearer);

    private protected Task<(HttpStatusCode Status, JsonNode Json)> EndAsync(string run, string bearer, string outcome = "succeeded") => AttemptAsync(
        run, "end", $$"""{"session":"","outcome":"{{outcome}}","logBytes":0,"logSha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}""", bearer);

    private protected Task<(HttpStatusCode Status, JsonNode Json)> EventAsync(string run, string reason, string at = "2026-01-01T00:00:00Z") => AttemptAsync(
        run, "events", $$$"""{"session":"{{{Session}}}","events":[{"key":"{{{reason}}}","at":"{{{at}}}","reason":"{{{reason}}}","message":"m"}]}""", Own());

    private protected Task<(HttpStatusCode Status, JsonNode Json)> AttemptAsync(string run, string call, string body, string bearer) =>
        SayAsync(HttpMethod.Post, $"/v1/runner/attempts/{run}/1/{call}", body, bearer);

    private protected Task<(HttpStatusCode Status, JsonNode Json)> SayAsync(HttpMethod method, string path, string body, string bearer) => Server.SendAsync(method, path, body, bearer);

    private protected async Task<JsonNode> ViewAsync(string run) => (await Server.GetAsync($"/v1/workspaces/acme/collections/prod/runs/{run}")).Json;
}
