using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Lanyard.Protocol.OAuth;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>A runner that keeps what it should forget: the runtime token of an attempt that is over opens nothing, from the moment of its end.</summary>
[Line("2.10")]
public sealed class RuntimeTokenTests
{
    private const string Audience = "https://sts.example";
    private const string Subject = "system:serviceaccount:lanyard:runner";

    [Fact]
    public async Task A_runtime_token_mints_while_its_attempt_lives_and_is_refused_the_moment_it_has_ended()
    {
        await using var installation = await Installation.StartAsync();
        await using var cluster = await TestIssuer.StartAsync();
        await FillAsync(installation, cluster);
        var run = (await installation.LanyardAsync("run", "deploy", "-w", "acme", "-c", "prod")).Succeeded();
        using var runner = installation.CreateClient(cluster.Mint(installation.Url, Subject));

        var session = (await CallAsync(runner, "session", Json("""{"nonce":"0123456789abcdef","version":"1","concurrency":1,"labels":[],"executors":["process"],"sandboxed":true}""")))["session"]!.GetValue<string>();
        var offer = (await CallAsync(runner, "poll", Body(session, ("free", 1), ("waitSeconds", 30), ("holds", new JsonArray()))))["offers"]![0]!;
        Assert.Equal(run, offer["run"]!.GetValue<string>());
        var runtimeToken = (await CallAsync(runner, $"attempts/{run}/1/accept", Body(session)))["runtimeToken"]!.GetValue<string>();
        await CallAsync(runner, $"attempts/{run}/1/start", Body(session));
        var (status, minted) = await MintAsync(installation, runtimeToken);
        var identity = minted!["access_token"]!.GetValue<string>();
        var (_, before) = await IntrospectAsync(installation, identity);

        await CallAsync(runner, $"attempts/{run}/1/end", Body(session, ("outcome", "succeeded"), ("logBytes", 0), ("logSha256", Convert.ToHexStringLower(SHA256.HashData([])))));
        var (statusAfter, refused) = await MintAsync(installation, runtimeToken);
        var (_, after) = await IntrospectAsync(installation, identity);

        Assert.Equal(200, status);
        Assert.True(before!["active"]!.GetValue<bool>());
        Assert.Equal((400, "invalid_request"), (statusAfter, refused!["error"]!.GetValue<string>()));
        Assert.Equal("What the token stands for has ended.", refused["error_description"]!.GetValue<string>());
        Assert.Equal("""{"active":false}""", after!.ToJsonString());
    }

    /// <summary>A cluster is registered by the trial of a fresh token of the runner's service account.</summary>
    private static async Task FillAsync(Installation installation, TestIssuer cluster)
    {
        await installation.ApplyAsync(
            Documents.Workspace("acme"), Documents.Collection("acme", "prod"), Documents.Definition("acme", "prod", "deploy", "true", $"audiences: [{{audience: '{Audience}'}}]"));
        using var admin = installation.CreateClient(await installation.AdminTokenAsync());
        var write = new JsonObject
        {
            ["spec"] = new JsonObject
            {
                ["issuer"] = cluster.Issuer,
                ["keys"] = new JsonObject { ["jwks"] = JsonNode.Parse(cluster.Jwks) },
                ["runner"] = new JsonObject { ["namespace"] = "lanyard", ["serviceAccount"] = "runner" },
            },
            ["token"] = cluster.Mint(installation.Url, Subject),
        };
        using var content = JsonContent.Create(write);
        using var response = await admin.PutAsync(new Uri(installation.Url + "/v1/workspaces/acme/clusters/build"), content);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
        await installation.ApplyAsync(Documents.ClusterRunner("acme", "k8s", "build", Subject, "prod"));
    }

    private static Task<(int Status, JsonNode? Body)> MintAsync(Installation installation, string runtimeToken) => installation.PostFormAsync(
        "/oidc/acme/token",
        null,
        ("grant_type", OAuthNames.GrantTokenExchange),
        ("subject_token", runtimeToken),
        ("subject_token_type", OAuthNames.TokenTypeAccessToken),
        ("audience", Audience));

    private static async Task<(int Status, JsonNode? Body)> IntrospectAsync(Installation installation, string token) =>
        await installation.PostFormAsync("/oidc/acme/introspect", await installation.AdminTokenAsync(), ("token", token));

    private static JsonObject Json(string text) => JsonNode.Parse(text)!.AsObject();

    private static JsonObject Body(string session, params (string Name, JsonNode Value)[] more)
    {
        var body = new JsonObject { ["session"] = session };
        foreach (var (name, value) in more) body[name] = value;
        return body;
    }

    private static async Task<JsonNode> CallAsync(HttpClient runner, string path, JsonObject body)
    {
        using var content = JsonContent.Create(body);
        using var response = await runner.PostAsync(new Uri(runner.BaseAddress!, "/v1/runner/" + path), content);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, $"{path}: {text}");
        return JsonNode.Parse(text)!;
    }
}
