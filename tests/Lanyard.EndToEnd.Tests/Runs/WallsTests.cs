using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>
/// On a running server: whoever may do everything in one collection, by a trust policy over another issuer, gets for everything of another the very
/// answer that it gets for what does not exist.
/// </summary>
[Line("2.11")]
public sealed class WallsTests
{
    private const string Mine = "/v1/workspaces/acme/collections/red";
    private const string Theirs = "/v1/workspaces/acme/collections/blue";

    [Fact]
    public async Task A_collections_admin_can_not_tell_what_exists_behind_the_walls_from_what_does_not()
    {
        await using var installation = await Installation.StartAsync();
        await using var outside = await TestIssuer.StartAsync();
        await FillAsync(installation, outside);
        var run = (await installation.LanyardAsync("run", "deploy", "-w", "acme", "-c", "blue")).Succeeded();
        var mine = (await installation.LanyardAsync("run", "deploy", "-w", "acme", "-c", "red")).Succeeded();
        using var client = installation.CreateClient(outside.Mint(installation.Url, "ci:red"));

        // It is somebody: its own things are there.
        foreach (var path in (string[])[Mine, $"{Mine}/definitions/deploy", $"{Mine}/runs", $"{Mine}/runs/{mine}"])
        {
            Assert.Equal(HttpStatusCode.OK, (await AnswerAsync(client, HttpMethod.Get, path)).Status);
        }

        foreach (var (existing, missing) in Pairs(run, mine))
        {
            var statuses = new List<HttpStatusCode>();
            foreach (var method in (HttpMethod[])[HttpMethod.Get, HttpMethod.Delete, HttpMethod.Put, HttpMethod.Post])
            {
                var seen = await AnswerAsync(client, method, existing);
                Assert.Equal(await AnswerAsync(client, method, missing), seen);
                Assert.True(seen.Status is HttpStatusCode.NotFound or HttpStatusCode.MethodNotAllowed, $"{method} {existing} is {seen}");
                statuses.Add(seen.Status);
            }

            Assert.Contains(HttpStatusCode.NotFound, statuses);
        }

        Assert.Equal("queued", (await installation.LanyardJsonAsync("runs", run, "-w", "acme", "-c", "blue"))["state"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_token_of_a_stranger_opens_nothing_and_learns_nothing()
    {
        await using var installation = await Installation.StartAsync();
        await using var outside = await TestIssuer.StartAsync();
        await FillAsync(installation, outside);
        using var stranger = installation.CreateClient(outside.Mint(installation.Url, "ci:green"));

        var existing = await AnswerAsync(stranger, HttpMethod.Get, Theirs);
        var missing = await AnswerAsync(stranger, HttpMethod.Get, "/v1/workspaces/nowhere");

        Assert.Equal(HttpStatusCode.Unauthorized, existing.Status);
        Assert.Equal(missing, existing);
    }

    private static Task FillAsync(Installation installation, TestIssuer outside) => installation.ApplyAsync(
        Documents.Workspace("acme"),
        Documents.Workspace("globex"),
        Documents.Collection("acme", "red"),
        Documents.Collection("acme", "blue"),
        Documents.Collection("globex", "prod"),
        Documents.Definition("acme", "red", "deploy", "true"),
        Documents.Definition("acme", "blue", "deploy", "true"),
        Documents.Definition("globex", "prod", "deploy", "true"),
        Documents.TrustedIssuer("acme", "outside", outside),
        Documents.TrustPolicy("acme", "red", "red", "outside", "ci:red", "roles: [admin]"),
        Documents.TrustPolicy("acme", "blue", "blue", "outside", "ci:blue", "roles: [admin]"));

    /// <summary>What exists behind a wall, and the like that does not.</summary>
    private static IEnumerable<(string Existing, string Missing)> Pairs(string run, string mine)
    {
        const string None = "/v1/workspaces/acme/collections/none";
        var noRun = mine[..^4] + "zzzz";
        return
        [
            (Theirs, None),
            ($"{Theirs}/definitions", $"{None}/definitions"),
            ($"{Theirs}/definitions/deploy", $"{Theirs}/definitions/none"),
            ($"{Theirs}/definitions/deploy", $"{None}/definitions/deploy"),
            ($"{Theirs}/runs", $"{None}/runs"),
            ($"{Theirs}/runs/{run}", $"{Theirs}/runs/{noRun}"),
            ($"{Theirs}/runs/{run}/logs", $"{Theirs}/runs/{noRun}/logs"),
            ($"{Theirs}/runs/{run}/cancel", $"{Theirs}/runs/{noRun}/cancel"),
            ("/v1/workspaces/acme/trust-policies/blue", "/v1/workspaces/acme/trust-policies/none"),
            ($"{Mine}/runs/{run}", $"{Mine}/runs/{noRun}"),
            ($"{Mine}/runs/{run}/logs", $"{Mine}/runs/{noRun}/logs"),
            ($"{Mine}/runs/{run}/cancel", $"{Mine}/runs/{noRun}/cancel"),
            ("/v1/workspaces/globex", "/v1/workspaces/nowhere"),
            ("/v1/workspaces/globex/collections/prod", "/v1/workspaces/globex/collections/none"),
            ("/v1/workspaces/globex/collections/prod/definitions/deploy", "/v1/workspaces/nowhere/collections/prod/definitions/deploy"),
            ("/v1/workspaces/acme/trusted-issuers/outside", "/v1/workspaces/acme/trusted-issuers/none"),
        ];
    }

    /// <summary>Status and body, without what names the request itself.</summary>
    private static async Task<(HttpStatusCode Status, string Body)> AnswerAsync(HttpClient client, HttpMethod method, string path)
    {
        using var request = new HttpRequestMessage(method, new Uri(client.BaseAddress!, path));
        if (method == HttpMethod.Put || method == HttpMethod.Post) request.Content = new StringContent("{}", System.Text.Encoding.UTF8, "application/json");
        using var response = await client.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        if (text.Length > 0 && JsonNode.Parse(text) is JsonObject body && body.Remove("requestId")) text = body.ToJsonString();
        return (response.StatusCode, text);
    }
}
