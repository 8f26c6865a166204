using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Server.Tests.Federation;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

/// <summary>An attempt's pod proves itself by its pod-bound token, by that alone, and to its own attempt alone. The whole server, with its own door.</summary>
[Line("5.2")]
public sealed class PodTests : IAsyncLifetime
{
    private const string Runner = "system:serviceaccount:runs:runner";
    private readonly ManualTime _time = new();
    private DoorServer _server = null!;
    private TestIssuer _cluster = null!;
    private string _session = "";

    /// <summary>The last that was taken: whose pod a token is of where nothing else is said.</summary>
    private string _run = "";

    public async ValueTask InitializeAsync()
    {
        _server = await DoorServer.StartAsync(_time);
        _cluster = await TestIssuer.StartAsync(_time);
        await _server.PutAsync("/v1/workspaces/acme", "{}");
        await _server.PutAsync("/v1/workspaces/acme/collections/prod", """{"pod":{"image":"tools:1","user":1000}}""");
        await _server.PutAsync(
            "/v1/workspaces/acme/collections/prod/definitions/deploy",
            """{"executor":"kubernetes","pod":{"image":"tools:2"},"steps":[{"name":"a","script":"true"}],"audiences":[{"audience":"sts"}]}""");
        await RegisterAsync("lab", _cluster);
        await _server.PutAsync(
            "/v1/workspaces/acme/runners/pods", $$$"""{"collections":["prod"],"identity":{"cluster":"lab","subject":"{{{Runner}}}"}}""");
        _session = await OpenAsync("kubernetes");
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _cluster.DisposeAsync();
    }

    [Fact]
    public async Task The_pod_that_the_runner_named_gets_the_payload_and_every_other_gets_nothing()
    {
        var run = await TakeAsync();
        Assert.Equal(HttpStatusCode.Unauthorized, (await AcceptAsync(run, Pod())).Status);
        Assert.Equal(HttpStatusCode.OK, (await BindAsync(run)).Status);

        var given = await AcceptAsync(run, Pod());
        Assert.Equal(HttpStatusCode.OK, given.Status);
        Assert.Equal(("tools:2", 1000), (given.Json["pod"]!["image"]!.GetValue<string>(), given.Json["pod"]!["user"]!.GetValue<long>()));
        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/runtime/whoami", given.Json["runtimeToken"]!.GetValue<string>())).Status);

        foreach (var other in (string[])[Pod(uid: "another"), Pod(name: NameOf(run) + "x"), Pod(place: "elsewhere"), Pod(account: "another"), Pod(isBound: false), Pod(subject: "ci")])
            Assert.Equal(HttpStatusCode.Unauthorized, (await AcceptAsync(run, other)).Status);

        Assert.Single(await _server.AuditAsync("attempt.give"));
        Assert.Single(await _server.AuditAsync("attempt.pod"));
    }

    /// <summary>Whoever takes a runner away, because its cluster is in wrong hands perhaps, ends what it has made too.</summary>
    [Fact]
    public async Task A_pod_of_a_runner_that_was_taken_away_is_nobody_at_once_and_can_not_keep_its_attempt_alive()
    {
        var run = await TakeAsync();
        await BindAsync(run);
        var (pod, fresh) = (Pod(), Pod());
        await AcceptAsync(run, pod);
        Assert.Equal(HttpStatusCode.OK, (await AttemptAsync(run, "hold", """{"waitSeconds":0}""", pod)).Status);

        Assert.Equal(HttpStatusCode.NoContent, (await _server.SendAsync(HttpMethod.Delete, "/v1/workspaces/acme/runners/pods", ifMatch: "*")).Status);

        foreach (var token in (string[])[pod, fresh])
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await AttemptAsync(run, "hold", """{"waitSeconds":0}""", token)).Status);
            Assert.Equal(HttpStatusCode.Unauthorized, (await AcceptAsync(run, token)).Status);
        }
    }

    [Fact]
    public async Task A_pod_of_another_cluster_with_the_same_names_and_uid_gets_nothing()
    {
        await using var other = await TestIssuer.StartAsync(_time);
        await RegisterAsync("other", other);
        var run = await TakeAsync();
        await BindAsync(run);

        Assert.Equal(HttpStatusCode.Unauthorized, (await AcceptAsync(run, Pod(cluster: other))).Status);
        Assert.Equal(HttpStatusCode.OK, (await AcceptAsync(run, Pod())).Status);
    }

    [Fact]
    public async Task A_pod_is_written_once_by_the_attempts_runner_alone()
    {
        var run = await TakeAsync();
        Assert.Equal(HttpStatusCode.BadRequest, (await BindAsync(run, account: "runner")).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await BindAsync(run, session: "ses_01k00000000000000000000000")).Status);
        Assert.Equal(HttpStatusCode.OK, (await BindAsync(run)).Status);
        Assert.Equal(HttpStatusCode.OK, (await BindAsync(run)).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await BindAsync(run, uid: "another")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await BindAsync(run, bearer: Pod())).Status);

        var second = await TakeAsync();
        Assert.Equal(HttpStatusCode.Unauthorized, (await AcceptAsync(second, Pod(uid: "another"))).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await AcceptAsync(second, Pod(name: NameOf(run)))).Status);
    }

    /// <summary>Names and uids of a cluster's pods are no secret there, and its runners may be of several workspaces.</summary>
    [Fact]
    public async Task A_runner_that_names_anothers_pod_as_its_own_gets_nothing_and_keeps_nobody_out()
    {
        var (first, second) = (await TakeAsync(), await TakeAsync());
        Assert.Equal(HttpStatusCode.BadRequest, (await BindAsync(second, name: NameOf(first))).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await BindAsync(second, name: NameOf(second).Replace("-1-", "-11-", StringComparison.Ordinal))).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await BindAsync(second, name: "deployer-7d5c")).Status);
        Assert.Equal(HttpStatusCode.OK, (await BindAsync(second)).Status);

        Assert.Equal(HttpStatusCode.OK, (await BindAsync(first)).Status);
        Assert.Equal(HttpStatusCode.OK, (await AcceptAsync(first, Pod(name: NameOf(first)))).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await AcceptAsync(second, Pod(name: NameOf(first)))).Status);
    }

    [Fact]
    public async Task A_pod_is_no_principal_of_anything_but_its_attempt()
    {
        await _server.PutAsync(
            "/v1/workspaces/acme/trust-policies/everybody", """{"issuer":"cluster/lab","claims":{"sub":"system:serviceaccount:runs:run"},"allow":{"roles":["admin"],"audiences":["sts"]}}""");
        var run = await TakeAsync();
        await BindAsync(run);
        var pod = Pod();
        Assert.Equal(HttpStatusCode.OK, (await AcceptAsync(run, pod)).Status);

        Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync("/v1/workspaces/acme/collections", pod)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await SayAsync(HttpMethod.Post, "/v1/runner/poll", """{"session":"","free":1,"waitSeconds":0,"holds":[]}""", pod)).Status);
        Assert.NotEqual(HttpStatusCode.OK, (await _server.ExchangeAsync("/oidc/acme/token", pod, "sts")).Status);
        Assert.NotEqual(HttpStatusCode.OK, (await _server.ExchangeAsync("/token", pod)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await AcceptAsync("run_01k00000000000000000000000", pod)).Status);
    }

    [Fact]
    public async Task After_the_attempts_end_its_pod_gets_nothing_and_its_runner_may_still_say_why()
    {
        var run = await TakeAsync();
        await BindAsync(run);
        var pod = Pod();
        await AcceptAsync(run, pod);
        Assert.Equal(HttpStatusCode.OK, (await AttemptAsync(run, "start", """{"session":""}""", pod)).Status);
        Assert.Equal(HttpStatusCode.OK, (await EndAsync(run, pod)).Status);

        Assert.Equal(HttpStatusCode.Unauthorized, (await AcceptAsync(run, pod)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await AttemptAsync(run, "hold", """{"waitSeconds":0}""", pod)).Status);
        Assert.Equal(HttpStatusCode.OK, (await EventAsync(run, "OOMKilled")).Status);
        Assert.Equal("OOMKilled", (await ViewAsync(run))["attempts"]![0]!["events"]![0]!["reason"]!.GetValue<string>());
        Assert.Equal("u1", (await ViewAsync(run))["attempts"]![0]!["pod"]!["uid"]!.GetValue<string>());
    }

    [Fact]
    [Line("5.1")]
    public async Task A_pod_holds_its_attempt_while_its_runner_is_away_and_when_it_comes_back()
    {
        var run = await TakeAsync();
        await BindAsync(run);
        var pod = Pod();
        await AcceptAsync(run, pod);
        for (var i = 0; i < 4; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(40));
            var held = await AttemptAsync(run, "hold", """{"waitSeconds":0}""", Pod());
            Assert.Equal(("keep", true), (held.Json["answer"]!.GetValue<string>(), held.Json["leaseSeconds"]!.GetValue<int>() > 50));
        }

        await _server.LogInAsync(_time);
        _session = await OpenAsync("kubernetes", "nonce-of-the-second-process");
        var polled = await SayAsync(
            HttpMethod.Post, "/v1/runner/poll", $$$"""{"session":"{{{_session}}}","free":0,"waitSeconds":0,"holds":[{"run":"{{{run}}}","attempt":1,"state":"running"}]}""", Own());
        Assert.Equal("keep", polled.Json["answers"]![0]!["answer"]!.GetValue<string>());
        Assert.Equal(HttpStatusCode.OK, (await AttemptAsync(run, "start", """{"session":""}""", Pod())).Status);
        Assert.Equal(HttpStatusCode.OK, (await BindAsync(run)).Status);
        Assert.Equal(HttpStatusCode.OK, (await EndAsync(run, Pod())).Status);
        Assert.Equal("succeeded", (await ViewAsync(run))["state"]!.GetValue<string>());
    }

    [Fact]
    [Line("5.1")]
    public async Task A_cancel_ends_the_wait_of_the_pods_hold_and_the_pod_may_still_say_how_it_ended()
    {
        var run = await TakeAsync();
        await BindAsync(run);
        var pod = Pod();
        var given = await AcceptAsync(run, pod);
        await AttemptAsync(run, "start", """{"session":""}""", pod);
        var held = AttemptAsync(run, "hold", """{"waitSeconds":15}""", pod);
        Assert.Equal(HttpStatusCode.OK, (await _server.SendAsync(HttpMethod.Post, $"/v1/workspaces/acme/collections/prod/runs/{run}/cancel")).Status);

        Assert.Equal("cancel", (await held).Json["answer"]!.GetValue<string>());
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.GetAsync("/runtime/whoami", given.Json["runtimeToken"]!.GetValue<string>())).Status);
        Assert.Equal(HttpStatusCode.OK, (await EndAsync(run, pod, "canceled")).Status);
        Assert.Equal("canceled", (await ViewAsync(run))["state"]!.GetValue<string>());
    }

    [Fact]
    [Line("5.1")]
    public async Task A_runner_without_the_executor_is_not_offered_the_run()
    {
        _session = await OpenAsync("process", "nonce-of-another-process");
        await CreateAsync();
        Assert.Empty((await PollAsync())["offers"]!.AsArray());
        _session = await OpenAsync("kubernetes", "nonce-of-a-third-process");
        Assert.Single((await PollAsync())["offers"]!.AsArray());
    }

    [Fact]
    [Line("5.1")]
    public async Task Events_come_once_and_in_their_order_and_wrong_ones_are_refused()
    {
        var run = await TakeAsync();
        Assert.Equal(HttpStatusCode.OK, (await EventAsync(run, "Pulling", "2026-01-02T00:00:00Z")).Status);
        Assert.Equal(HttpStatusCode.OK, (await EventAsync(run, "Scheduled", "2026-01-01T00:00:00Z")).Status);
        Assert.Equal(HttpStatusCode.OK, (await EventAsync(run, "Pulling", "2026-01-03T00:00:00Z")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await EventAsync(run, "Not a word")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await AttemptAsync(run, "events", $$"""{"session":"{{_session}}","events":[]}""", Own())).Status);

        Assert.Equal(["Scheduled", "Pulling"], (await ViewAsync(run))["attempts"]![0]!["events"]!.AsArray().Select(one => one!["reason"]!.GetValue<string>()));
    }

    [Theory]
    [InlineData("""{"image":"-x"}""")]
    [InlineData("""{"user":0}""")]
    [InlineData("""{"imagePullPolicy":"Sometimes"}""")]
    [InlineData("""{"limits":{"memory":"much"}}""")]
    [InlineData("""{"nodeSelector":{"a b":"c"}}""")]
    [InlineData("""{"serviceAccount":"Upper"}""")]
    [InlineData("""{"privileged":true}""")]
    [Line("5.1")]
    public async Task A_pod_block_that_Kubernetes_would_not_take_is_refused(string pod) =>
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.SendAsync(HttpMethod.Put, "/v1/workspaces/acme/collections/second", $$$"""{"spec":{"pod":{{{pod}}}}}""")).Status);

    private static string NameOf(string run) => $"{run.Replace('_', '-')}-1-x7k2p";

    private string Own() => _cluster.Mint(_server.Url, Runner);

    private string Pod(
        string uid = "u1", string? name = null, string place = "runs", string account = "run", bool isBound = true, string? subject = null, TestIssuer? cluster = null) =>
        (cluster ?? _cluster).Mint(_server.Url, subject ?? $"system:serviceaccount:{place}:{account}", claims =>
        {
            var about = new JsonObject { ["namespace"] = place, ["serviceaccount"] = new JsonObject { ["name"] = account, ["uid"] = "s1" } };
            if (isBound)
                about["pod"] = new JsonObject { ["name"] = name ?? NameOf(_run), ["uid"] = uid };
            claims["kubernetes.io"] = about;
        });

    private async Task RegisterAsync(string slug, TestIssuer cluster)
    {
        var (status, json) = await _server.SendAsync(HttpMethod.Put, $"/v1/workspaces/acme/clusters/{slug}", $$$"""
            {"spec":{"issuer":"{{{cluster.Issuer}}}","keys":{"jwks":{{{cluster.Jwks}}}},"runner":{"namespace":"runs","serviceAccount":"runner"}},
             "token":"{{{cluster.Mint(_server.Url, Runner)}}}"}
            """);
        Assert.True(status == HttpStatusCode.Created, json.ToJsonString());
    }

    private async Task<string> OpenAsync(string executor, string nonce = "nonce-of-the-first-process") =>
        (await SayAsync(
            HttpMethod.Post, "/v1/runner/session",
            $$"""{"nonce":"{{nonce}}","version":"1","concurrency":4,"labels":[],"executors":["{{executor}}"],"sandboxed":true}""", Own())).Json["session"]!.GetValue<string>();

    private async Task<string> CreateAsync()
    {
        var (status, json) = await _server.SendAsync(HttpMethod.Post, "/v1/workspaces/acme/collections/prod/runs", """{"definition":"deploy"}""");
        Assert.True(status == HttpStatusCode.Created, json.ToJsonString());
        return json["id"]!.GetValue<string>();
    }

    private async Task<JsonNode> PollAsync() =>
        (await SayAsync(HttpMethod.Post, "/v1/runner/poll", $$"""{"session":"{{_session}}","free":1,"waitSeconds":0,"holds":[]}""", Own())).Json;

    /// <summary>A run that the runner has accepted.</summary>
    private async Task<string> TakeAsync()
    {
        var run = await CreateAsync();
        Assert.Equal(run, (await PollAsync())["offers"]!.AsArray().Single()!["run"]!.GetValue<string>());
        Assert.Equal(HttpStatusCode.OK, (await AttemptAsync(run, "accept", $$"""{"session":"{{_session}}"}""", Own())).Status);
        _run = run;
        return run;
    }

    private Task<(HttpStatusCode Status, JsonNode Json)> BindAsync(string run, string uid = "u1", string account = "run", string? session = null, string? bearer = null, string? name = null) => SayAsync(
        HttpMethod.Put, $"/v1/runner/attempts/{run}/1/pod",
        $$"""{"session":"{{session ?? _session}}","namespace":"runs","name":"{{name ?? NameOf(run)}}","uid":"{{uid}}","serviceAccount":"{{account}}"}""", bearer ?? Own());

    private Task<(HttpStatusCode Status, JsonNode Json)> AcceptAsync(string run, string bearer) => AttemptAsync(run, "accept", """{"session":""}""", bearer);

    private Task<(HttpStatusCode Status, JsonNode Json)> EndAsync(string run, string bearer, string outcome = "succeeded") => AttemptAsync(
        run, "end", $$"""{"session":"","outcome":"{{outcome}}","logBytes":0,"logSha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}""", bearer);

    private Task<(HttpStatusCode Status, JsonNode Json)> EventAsync(string run, string reason, string at = "2026-01-01T00:00:00Z") => AttemptAsync(
        run, "events", $$$"""{"session":"{{{_session}}}","events":[{"key":"{{{reason}}}","at":"{{{at}}}","reason":"{{{reason}}}","message":"m"}]}""", Own());

    private Task<(HttpStatusCode Status, JsonNode Json)> AttemptAsync(string run, string call, string body, string bearer) =>
        SayAsync(HttpMethod.Post, $"/v1/runner/attempts/{run}/1/{call}", body, bearer);

    private Task<(HttpStatusCode Status, JsonNode Json)> SayAsync(HttpMethod method, string path, string body, string bearer) => _server.SendAsync(method, path, body, bearer);

    private async Task<JsonNode> ViewAsync(string run) => (await _server.GetAsync($"/v1/workspaces/acme/collections/prod/runs/{run}")).Json;
}
