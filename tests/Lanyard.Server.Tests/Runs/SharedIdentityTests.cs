using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

/// <summary>The whole way of a shared definition's identity: run for one workspace, taken by its runner, signed by the issuer of the other, and counted there by template.</summary>
[Line("5.4")]
public sealed class SharedIdentityTests : PodServerTests
{
    private const string Definition = "/v1/workspaces/owner/collections/home/definitions/network";

    [Fact]
    public async Task The_owners_issuer_signs_for_a_run_of_the_consumer_and_no_other_does()
    {
        await ShareAsync();
        var payload = await TakeSharedAsync();
        Assert.Equal(($"{Server.Url}/oidc/owner", "acme", "prod"), (Text(payload, "issuer"), Text(payload, "workspace"), Text(payload, "collection")));

        var token = await VerifiedAsync(payload, (await AskAsync(payload, "/oidc/owner")).Json);
        var uuid = Text((await Server.GetAsync(Definition)).Json["spec"]!, "uuid");
        Assert.EndsWith($":workspace.owner.buildingblockdefinition.{uuid}", token.Subject, StringComparison.Ordinal);
        Assert.Equal(
            ("owner", "home", "network", "acme", "prod"),
            (Claim(token, "workspace"), Claim(token, "collection"), Claim(token, "definition"), Claim(token, "consumer_workspace"), Claim(token, "consumer_collection")));
        Assert.Equal(
            (Text((await Server.GetAsync("/v1/workspaces/owner")).Json, "id"), Text((await Server.GetAsync("/v1/workspaces/acme")).Json, "id")),
            (Claim(token, "workspace_id"), Claim(token, "consumer_workspace_id")));

        Assert.NotEqual(HttpStatusCode.OK, (await AskAsync(payload, "/oidc/acme")).Status);
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(payload, "/oidc/owner")).Status);
        await Server.PutAsync(Definition, Spec("third"), ifMatch: "*");
        Assert.NotEqual(HttpStatusCode.OK, (await AskAsync(payload, "/oidc/owner")).Status);
    }

    /// <summary>A migration: callers move from the old subject to the new one by and by, and the counts say when the last has.</summary>
    [Fact]
    public async Task Two_subjects_of_one_audience_are_in_use_side_by_side_and_the_old_one_is_seen_to_rest()
    {
        await ShareAsync();
        var payload = await TakeSharedAsync();
        Assert.Equal("w:owner", (await VerifiedAsync(payload, (await AskAsync(payload, "/oidc/owner", "old")).Json)).Subject);
        var moved = Time.GetUtcNow();
        Time.Advance(TimeSpan.FromSeconds(20));
        for (var i = 0; i < 2; i++)
            Assert.Equal(HttpStatusCode.OK, (await AskAsync(payload, "/oidc/owner")).Status);
        Assert.NotEqual(HttpStatusCode.OK, (await AskAsync(payload, "/oidc/owner", "none")).Status);

        var subjects = (await Server.GetAsync(Definition + "/subjects")).Json["items"]!.AsArray();
        Assert.Equal(("meshstack-definition", 2, moved.AddSeconds(20)), Used(subjects[0]!));
        Assert.Equal(("old", 1, moved), Used(subjects[1]!));
    }

    private static (string Name, int Tokens, DateTimeOffset At) Used(JsonNode subject) =>
        (Text(subject, "name"), subject["tokens"]!.GetValue<int>(), DateTimeOffset.FromUnixTimeMilliseconds(subject["lastUsedAt"]!.GetValue<DateTimeOffset>().ToUnixTimeMilliseconds()));

    private async Task ShareAsync()
    {
        await Server.PutAsync("/v1/workspaces/owner", "{}");
        await Server.PutAsync("/v1/workspaces/owner/collections/home", "{}");
        await Server.PutAsync(Definition, Spec("acme"));
    }

    private static string Spec(string consumer) => $$$"""
        {"executor":"kubernetes","sharedWith":["{{{consumer}}}"],"steps":[{"name":"a","script":"true"}],
        "audiences":[{"audience":"sts","subject":"meshstack-definition","subjects":{"old":"w:{workspace}"}}]}
        """;

    /// <returns>What the consumer's runner is given.</returns>
    private async Task<JsonNode> TakeSharedAsync()
    {
        var (status, made) = await Server.SendAsync(HttpMethod.Post, "/v1/workspaces/acme/collections/prod/runs", """{"definition":"owner/home/network"}""");
        Assert.True(status == HttpStatusCode.Created, made.ToJsonString());
        Assert.Single((await PollAsync())["offers"]!.AsArray());
        return (await AttemptAsync(Text(made, "id"), "accept", $$"""{"session":"{{Session}}"}""", Own())).Json;
    }

    private Task<(HttpStatusCode Status, JsonNode Json)> AskAsync(JsonNode payload, string issuer, string? subject = null)
    {
        (string, string)[] form =
        [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), ("subject_token", Text(payload, "runtimeToken")),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"), ("audience", "sts"),
        ];
        return Server.FormAsync(issuer + "/token", subject is null ? form : [.. form, ("subject", subject)]);
    }

    /// <summary>As somebody outside judges it: by the issuer that the payload names and the keys that it publishes.</summary>
    private async Task<VerifiedToken> VerifiedAsync(JsonNode payload, JsonNode answer)
    {
        var issuer = Text(payload, "issuer");
        var keys = KeySet.Parse((await Server.GetAsync(new Uri(issuer).AbsolutePath + "/jwks", "")).Json.ToJsonString()).Value;
        var token = UnverifiedToken.Parse(Text(answer, "access_token")).Value;
        return new TokenVerifier(Time).Verify(token, new TrustedIssuer { Id = "ti_outside", Issuer = issuer }, keys, new VerifyOptions { DefaultAudience = "sts" }).Value;
    }

    private static string? Claim(VerifiedToken token, string name) => token.Claims.TryGetString(name, out var value) ? value : null;

    private static string Text(JsonNode node, string name) => node[name]!.GetValue<string>();
}
