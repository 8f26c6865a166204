using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Identity.Jose;
using Lanyard.Server.Tests.Federation;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Clusters;

/// <summary>
/// Another workspace registers the same cluster, by its public keys and one of its own: what it says of the cluster's service accounts takes nothing from whose
/// cluster it is.
/// </summary>
[Line("6.4")]
[Line("2.8")]
[Line("2.3")]
public sealed class TakenOverClusterTests : IAsyncLifetime
{
    private const string Runner = "system:serviceaccount:runs:runner";
    private const string Account = "system:serviceaccount:shop:deployer";
    private const string Run = "system:serviceaccount:runs:run";
    private DoorServer _server = null!;
    private TestIssuer _cluster = null!;
    private TestIssuer _intruder = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await DoorServer.StartAsync();
        _cluster = await TestIssuer.StartAsync();
        _intruder = await TestIssuer.StartAsync();
        foreach (var workspace in (string[])["acme", "other"])
        {
            await _server.PutAsync($"/v1/workspaces/{workspace}", "{}");
            await _server.PutAsync($"/v1/workspaces/{workspace}/collections/prod", "{}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _cluster.DisposeAsync();
        await _intruder.DisposeAsync();
    }

    [Theory]
    [InlineData("acme", "other")]
    [InlineData("other", "acme")]
    public async Task A_runner_that_two_workspaces_know_is_whose_it_says_and_nobodys_where_it_says_nothing(string first, string second)
    {
        foreach (var workspace in (string[])[first, second])
            await RegisterAsync(workspace, Runner);

        var silent = await OpenAsync(Runner, null);
        Assert.Equal(HttpStatusCode.Unauthorized, silent.Status);
        Assert.Equal("Several workspaces know the caller: it must say which one it means.", silent.Json["title"]!.GetValue<string>());
        var refused = Assert.Single(await _server.AuditAsync("bearer"));
        Assert.Contains("workspace-ambiguous", refused, StringComparison.Ordinal);
        for (var i = 0; i < 2; i++)
        {
            // The second time from memory.
            Assert.Equal("acme/prod", Served(await OpenAsync(Runner, "acme")));
            Assert.Equal("other/prod", Served(await OpenAsync(Runner, "other")));
        }

        Assert.Equal(HttpStatusCode.Unauthorized, (await OpenAsync(Runner, "nothing")).Status);
    }

    [Fact]
    public async Task A_runner_that_only_one_workspace_knows_need_say_nothing_and_is_no_other_workspaces()
    {
        await RegisterAsync("acme", Runner);
        await RegisterAsync("other", Account);

        Assert.Equal("acme/prod", Served(await OpenAsync(Runner, null)));
        Assert.Equal("acme/prod", Served(await OpenAsync(Runner, "acme")));
        Assert.Equal(HttpStatusCode.Unauthorized, (await OpenAsync(Runner, "other")).Status);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_service_account_that_another_workspace_calls_its_runner_keeps_what_the_policies_of_its_own_give_it(bool isFirst)
    {
        if (isFirst) await RegisterAsync("other", Account);
        await RegisterAsync("acme", Runner);
        await _server.PutAsync("/v1/workspaces/acme/trust-policies/deployer", $$$"""{"issuer":"cluster/lab","claims":{"sub":"{{{Account}}}"},"allow":{"roles":["viewer"],"audiences":["sts"]}}""");
        if (!isFirst) await RegisterAsync("other", Account);
        var token = Token(Account);

        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/v1/workspaces/acme/collections", token)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync("/v1/workspaces/other/collections", token)).Status);
        Assert.Equal(HttpStatusCode.OK, (await _server.ExchangeAsync("/oidc/acme/token", token, "sts")).Status);
        var api = (await _server.ExchangeAsync("/token", token)).Json["access_token"]!.GetValue<string>();
        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/v1/workspaces/acme/collections", api)).Status);
        // And nobody's policy takes a runner from the workspace whose it is.
        Assert.Equal("other/prod", Served(await OpenAsync(Account, null)));
        Assert.Equal(HttpStatusCode.NotFound, (await OpenAsync(Account, "acme")).Status);
    }

    [Fact]
    public async Task A_runner_is_nothing_else_in_its_own_workspace_whatever_other_records_of_it_say()
    {
        await RegisterAsync("acme", Runner);
        await _server.PutAsync("/v1/workspaces/acme/trusted-issuers/same", $$$"""{"issuer":"{{{_cluster.Issuer}}}","keys":{"jwks":{{{_cluster.Jwks}}}}}""");
        await _server.PutAsync("/v1/workspaces/acme/trust-policies/all", $$$"""{"issuer":"same","claims":{"sub":"{{{Runner}}}"},"allow":{"roles":["admin"]}}""");

        Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync("/v1/workspaces/acme/collections", Token(Runner))).Status);
        Assert.Equal("acme/prod", Served(await OpenAsync(Runner, null)));
    }

    [Fact]
    public async Task A_pod_that_names_its_workspace_is_its_attempts_though_another_calls_its_account_a_runner()
    {
        await RegisterAsync("acme", Runner);
        await RegisterAsync("other", Run);
        await _server.PutAsync("/v1/workspaces/acme/collections/prod/definitions/deploy", """{"executor":"kubernetes","pod":{"image":"tools:1"},"steps":[{"name":"a","script":"true"}]}""");
        var run = (await _server.SendAsync(HttpMethod.Post, "/v1/workspaces/acme/collections/prod/runs", """{"definition":"deploy"}""")).Json["id"]!.GetValue<string>();
        var session = (await OpenAsync(Runner, null)).Json["session"]!.GetValue<string>();
        await SayAsync(HttpMethod.Post, "/v1/runner/poll", $$"""{"session":"{{session}}","free":1,"waitSeconds":0,"holds":[]}""", Token(Runner));
        await SayAsync(HttpMethod.Post, $"/v1/runner/attempts/{run}/1/accept", $$"""{"session":"{{session}}"}""", Token(Runner));
        var bound = await SayAsync(
            HttpMethod.Put, $"/v1/runner/attempts/{run}/1/pod", $$"""{"session":"{{session}}","namespace":"runs","name":"{{NameOf(run)}}","uid":"u1","serviceAccount":"run"}""", Token(Runner));
        Assert.Equal(HttpStatusCode.OK, bound.Status);

        Assert.Equal(HttpStatusCode.OK, (await SayAsync(HttpMethod.Post, $"/v1/runner/attempts/{run}/1/accept", """{"session":""}""", Pod(run), "acme")).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await SayAsync(HttpMethod.Post, $"/v1/runner/attempts/{run}/1/accept", """{"session":""}""", Pod(run))).Status);
    }

    private static string Served((HttpStatusCode Status, JsonNode Json) answer)
    {
        Assert.True(answer.Status == HttpStatusCode.OK, answer.Json.ToJsonString());
        return Assert.Single(answer.Json["collections"]!.AsArray())!.GetValue<string>();
    }

    private string Token(string subject) => _cluster.Mint(_server.Url, subject);

    private static string NameOf(string run) => $"{run.Replace('_', '-')}-1-x7k2p";

    private string Pod(string run) => _cluster.Mint(_server.Url, Run, claims => claims["kubernetes.io"] = new JsonObject
    {
        ["namespace"] = "runs",
        ["serviceaccount"] = new JsonObject { ["name"] = "run", ["uid"] = "s1" },
        ["pod"] = new JsonObject { ["name"] = NameOf(run), ["uid"] = "u1" },
    });

    /// <summary>Whose cluster it is shows a token of it; the other one, under the same issuer, a token by a key of its own.</summary>
    private async Task RegisterAsync(string workspace, string subject)
    {
        var isIntruder = workspace == "other";
        var keys = isIntruder ? KeySet.Of([.. _cluster.Keys.Keys, .. _intruder.Keys.Keys]).ToJson() : _cluster.Jwks;
        var account = subject.Split(':');
        var token = isIntruder ? _intruder.Mint(_server.Url, subject, claims => claims["iss"] = _cluster.Issuer) : Token(subject);
        var (status, json) = await _server.SendAsync(HttpMethod.Put, $"/v1/workspaces/{workspace}/clusters/lab", $$$"""
            {"spec":{"issuer":"{{{_cluster.Issuer}}}","keys":{"jwks":{{{keys}}}},"runner":{"namespace":"{{{account[2]}}}","serviceAccount":"{{{account[3]}}}"}},"token":"{{{token}}}"}
            """);
        Assert.True(status == HttpStatusCode.Created, json.ToJsonString());
        await _server.PutAsync($"/v1/workspaces/{workspace}/runners/pods", $$$"""{"collections":["prod"],"identity":{"cluster":"lab","subject":"{{{subject}}}"}}""");
    }

    private Task<(HttpStatusCode Status, JsonNode Json)> OpenAsync(string subject, string? workspace) => SayAsync(
        HttpMethod.Post, "/v1/runner/session", """{"nonce":"nonce-of-the-first-process","version":"1","concurrency":4,"labels":[],"executors":["kubernetes"],"sandboxed":true}""", Token(subject), workspace);

    private Task<(HttpStatusCode Status, JsonNode Json)> SayAsync(HttpMethod method, string path, string body, string bearer, string? workspace = null) =>
        _server.SendAsync(method, path, body, bearer, workspace: workspace);
}
