using System.Text.Json.Nodes;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.TrustPolicies;

[Line("6.7")]
public sealed class PolicyTestTests : CliApiTests
{
    private const string Document = "kind: TrustPolicy\nmetadata: {workspace: acme, slug: ci}\nspec: {issuer: gh, claims: {a: b}, allow: {roles: [viewer]}}\n";

    [Fact]
    public async Task A_drafts_report_is_printed_and_a_change_is_exit_1()
    {
        JsonNode? body = null;
        var report = """{"events":9,"undecided":1,"isCut":false,"newlyAllowed":[{"event":"evt_1","at":"2026-01-02T00:00:00Z","subject":"repo:a","was":"refused","others":false,"principal":"policy:a"}],"newlyRefused":[{"event":"evt_2","at":"2026-01-03T00:00:00Z","subject":"repo:b","was":"allowed","others":false,"why":"claim a is absent"}]}""";
        Api.OnRequest = async http =>
        {
            body = JsonNode.Parse(await new StreamReader(http.Request.Body).ReadToEndAsync());
            await http.Response.WriteAsync(report);
            return true;
        };
        var file = Cli.Write("p.yaml", Document);

        Assert.Equal(1, await Cli.RunAsync("policy", "test", file, "--against", "2026-01-01T00:00:00Z"));
        Assert.Equal("POST /v1/workspaces/acme/trust-policies/ci/replay", Api.Requests.Last());
        Assert.StartsWith("2026-01-01T00:00:00", body!["since"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal("gh", body["spec"]!["issuer"]!.GetValue<string>());
        Assert.Equal(
            "TrustPolicy acme/ci: 9 decisions, 1 newly allowed, 1 newly refused, 1 undecided\n  + 2026-01-02T00:00:00Z repo:a (refused then) would be policy:a  evt_1\n  - 2026-01-03T00:00:00Z repo:b: claim a is absent  evt_2\n",
            Cli.Out.ToString());

        report = """{"events":9,"undecided":0,"isCut":false,"newlyAllowed":[],"newlyRefused":[]}""";
        Assert.Equal(0, await Cli.RunAsync("policy", "test", file));
        var since = DateTimeOffset.Parse(body!["since"]!.GetValue<string>(), System.Globalization.CultureInfo.InvariantCulture);
        Assert.InRange((TimeProvider.System.GetUtcNow() - since).TotalDays, 6.9, 7.1);
        foreach (var against in (string[])["last-0d", "last-7", "last-7w", "week", "last-d"]) Assert.Equal(2, await Cli.RunAsync("policy", "test", file, "--against", against));
        Assert.Equal(2, await Cli.RunAsync("policy", "test", Cli.Write("w.yaml", "kind: Workspace\nmetadata: {slug: a}\nspec: {}\n")));
    }

    [Fact]
    public async Task Explain_asks_about_one_policy_audience_or_cluster_and_prints_what_would_have_to_change()
    {
        string? body = null;
        Api.OnRequest = async http =>
        {
            body = await new StreamReader(http.Request.Body).ReadToEndAsync();
            await http.Response.WriteAsync("""{"steps":[{"stage":"Policy","passed":false,"text":"no"}],"policies":[{"policy":"ci","matches":false,"why":"w","change":"the token would need ref"},{"policy":"b","matches":true}]}""");
            return true;
        };
        Cli.Input = "a.b.c";
        Assert.Equal(1, await Cli.RunAsync("explain", "-", "--for", "policy:ci", "-w", "acme"));
        Assert.Equal("""{"token":"a.b.c","policy":"ci"}""", body);
        Assert.Equal("POST /v1/workspaces/acme/explain", Api.Requests.Last());
        Assert.Contains("policy ci: does not match; the token would need ref\npolicy b: matches\n", Cli.Out.ToString(), StringComparison.Ordinal);
        await Cli.RunAsync("explain", "-", "--for", "audience:https://a.example");
        Assert.Equal("""{"token":"a.b.c","audience":"https://a.example"}""", body);
        await Cli.RunAsync("explain", "-", "--for", "cluster:lab");
        Assert.Equal("""{"token":"a.b.c","cluster":"lab"}""", body);
        foreach (var wrong in (string[])["policy", "policy:", "run:x", ":x"]) Assert.Equal(2, await Cli.RunAsync("explain", "-", "--for", wrong));
    }
}
