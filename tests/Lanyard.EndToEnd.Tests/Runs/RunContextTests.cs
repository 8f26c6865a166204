using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Protocol.OAuth;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>From a pipeline's verified claims to the subject that a cloud sees: nothing on the way is anybody's word.</summary>
[Needs("bwrap")]
[Line("2.10")]
public sealed class RunContextTests
{
    private const string Audience = "https://sts.example";
    private const string Path = "/v1/workspaces/acme/collections/prod/runs";

    [Fact]
    public async Task A_pipelines_repository_is_in_its_runs_subject_and_no_other_can_be_asked_for()
    {
        await using var installation = await Installation.StartAsync();
        await using var outside = await TestIssuer.StartAsync();
        await using var mailbox = new StepMailbox();
        await installation.ApplyAsync(
            Documents.Workspace("acme"),
            Documents.Collection("acme", "prod"),
            Documents.Definition(
                "acme", "prod", "deploy", mailbox.Say($"\"$(lanyard token --audience {Audience})\""),
                $"audiences: [{{audience: '{Audience}', subject: 'repo:{{repository}}:{{ref}}:{{actor}}'}}]"),
            Documents.TrustedIssuer("acme", "outside", outside),
            Documents.TrustPolicy("acme", "prod", "ci", "outside", "ci", "roles: [operator]") + "\n  context: {repository: project, ref: ref}");
        await installation.StartApprovedRunnerAsync("host", ["acme/prod"]);
        var pipeline = outside.Mint(installation.Url, "ci", claims => (claims["project"], claims["ref"]) = ("acme/app", "refs/heads/main"));
        var (status, body) = await installation.PostFormAsync(
            "/token", null, ("grant_type", OAuthNames.GrantTokenExchange), ("subject_token", pipeline), ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"));
        Assert.Equal(200, status);

        foreach (var bearer in (string[])[pipeline, body!["access_token"]!.GetValue<string>()])
        {
            using var client = installation.CreateClient(bearer);
            Assert.Equal(HttpStatusCode.Forbidden, (await PostAsync(client, """{"definition":"deploy","repository":"acme/other"}""")).Status);
            Assert.Equal(HttpStatusCode.Forbidden, (await PostAsync(client, """{"definition":"deploy","environment":"prod"}""")).Status);
            Assert.Equal(HttpStatusCode.Created, (await PostAsync(client, """{"definition":"deploy"}""")).Status);
            var message = await mailbox.ReceiveAsync(TimeSpan.FromSeconds(60));
            var claims = ClaimsOf(message.Text);
            await message.AnswerAsync();

            Assert.Equal("repo:acme/app:refs/heads/main:policy%3Aoutside%3Aci", claims["sub"]!.GetValue<string>());
            Assert.Equal(
                ("acme/app", "refs/heads/main", "policy:outside:ci", "token"),
                (Text("repository"), Text("ref"), Text("actor"), Text("context_source")));
            Assert.Null(claims["environment"]);

            string Text(string name) => claims[name]!.GetValue<string>();
        }
    }

    [Fact]
    public async Task The_workspaces_default_audience_is_shown_with_its_issuer_and_is_that_of_a_steps_token_which_lives_as_long_as_the_step_may()
    {
        await using var installation = await Installation.StartAsync();
        await using var mailbox = new StepMailbox();
        await installation.ApplyAsync(
            Documents.Workspace("acme"),
            Documents.Collection("acme", "prod"),
            Documents.Definition("acme", "prod", "deploy", mailbox.Say("\"$LANYARD_OIDC_TOKEN\""), oidc: "oidc: true\n      timeoutSeconds: 1500"));
        await installation.StartApprovedRunnerAsync("host", ["acme/prod"]);

        // Nothing set: the workspace's issuer, and whoever reads it in the settings sees that.
        foreach (var audience in (string?[])[null, Audience])
        {
            if (audience is not null) await installation.ApplyAsync(Documents.Workspace("acme", audience));
            var shown = await installation.LanyardJsonAsync("issuer", "show", "acme");
            Assert.Equal(installation.IssuerOf("acme"), shown["issuer"]!.GetValue<string>());
            Assert.Equal(audience ?? installation.IssuerOf("acme"), shown["defaultAudience"]!.GetValue<string>());

            (await installation.LanyardAsync("run", "deploy", "-w", "acme", "-c", "prod")).Succeeded();
            var message = await mailbox.ReceiveAsync(TimeSpan.FromSeconds(60));
            var claims = ClaimsOf(message.Text);
            await message.AnswerAsync();
            Assert.Equal(audience ?? installation.IssuerOf("acme"), claims["aud"]!.GetValue<string>());
            Assert.Equal(1500, claims["exp"]!.GetValue<long>() - claims["iat"]!.GetValue<long>());
        }
    }

    [Fact]
    public async Task A_step_gets_a_token_by_the_subject_template_of_its_choice_and_an_admin_states_what_the_run_is_for()
    {
        await using var installation = await Installation.StartAsync();
        await using var mailbox = new StepMailbox();
        await installation.ApplyAsync(
            Documents.Workspace("acme"),
            Documents.Collection("acme", "prod"),
            Documents.Definition(
                "acme", "prod", "deploy", mailbox.Say("\"$LANYARD_OIDC_TOKEN $LANYARD_OIDC_TOKEN_2\""),
                $"audiences: [{{audience: '{Audience}', subject: 'new', subjects: {{new: 'repo:{{repository}}:{{environment}}', old: 'ref:{{ref}}'}}}}]",
                $"oidc: {{audiences: ['{Audience}', {{audience: '{Audience}', subject: old}}]}}"));
        await installation.StartApprovedRunnerAsync("host", ["acme/prod"]);

        (await installation.LanyardAsync("run", "deploy", "-w", "acme", "-c", "prod", "--repository", "acme/app", "--ref", "main", "--environment", "prod")).Succeeded();
        var message = await mailbox.ReceiveAsync(TimeSpan.FromSeconds(60));
        var claims = message.Text.Split(' ').Select(ClaimsOf).ToList();
        await message.AnswerAsync();

        Assert.Equal(["repo:acme/app:prod", "ref:main"], claims.Select(static token => token["sub"]!.GetValue<string>()));
        Assert.All(claims, static token => Assert.Equal("stated", token["context_source"]!.GetValue<string>()));
    }

    private static JsonNode ClaimsOf(string token) => JsonNode.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(token.Trim().Split('.')[1]))!;

    private static async Task<(HttpStatusCode Status, string Body)> PostAsync(HttpClient client, string body)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await client.PostAsync(new Uri(client.BaseAddress!, Path), content);
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }
}
