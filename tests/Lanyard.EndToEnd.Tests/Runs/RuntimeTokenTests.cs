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

    [Fact]
    public async Task A_runtime_token_mints_while_its_attempt_lives_and_is_refused_the_moment_it_has_ended()
    {
        await using var installation = await Installation.StartAsync();
        await using var cluster = await TestIssuer.StartAsync();
        await FillAsync(installation, cluster);
        var run = (await installation.LanyardAsync("run", "deploy", "-w", "acme", "-c", "prod")).Succeeded();
        using var runner = new WireRunner(installation.CreateClient(WireRunner.Bearer(cluster, installation.Url)));
        var runtimeToken = await runner.AcceptAsync(run);
        var (status, minted) = await MintAsync(installation, runtimeToken);
        var identity = minted!["access_token"]!.GetValue<string>();
        var (_, before) = await IntrospectAsync(installation, identity);

        await runner.EndAsync(run);
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
        await WireRunner.RegisterAsync(admin, installation.Url, cluster);
        await installation.ApplyAsync(WireRunner.Document("prod"));
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
}
