using System.Text.Json.Nodes;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Resources;

[Line("2.6")]
public sealed class ApplyTests : CliApiTests
{
    private const string TwoDocuments =
        """
        kind: Collection
        metadata: {workspace: acme, slug: infra}
        spec: {displayName: Infra}
        ---
        kind: Workspace
        metadata: {slug: acme}
        spec: {displayName: Acme}
        """;

    [Fact]
    public async Task Apply_creates_in_order_changes_what_differs_and_leaves_the_rest()
    {
        var file = Cli.Write("both.yaml", TwoDocuments);
        Assert.Equal(0, await Cli.RunAsync("apply", "-f", file));
        Assert.Equal(["Workspace acme: created", "Collection acme/infra: created"], Lines(Cli.Error));

        Assert.Equal(0, await Cli.RunAsync("apply", "-f", file));
        Assert.Equal(["Workspace acme: unchanged", "Collection acme/infra: unchanged"], Lines(Cli.Error));

        Cli.Input = TwoDocuments.Replace("displayName: Infra", "displayName: Other", StringComparison.Ordinal);
        Assert.Equal(1, await Cli.RunAsync("diff", "-f", "-"));
        Assert.Equal(["~ Collection acme/infra", "    spec.displayName: \"Infra\" -> \"Other\""], Lines(Cli.Out));
        Assert.Equal(0, await Cli.RunAsync("apply", "-f", "-"));
        Assert.Equal(["Workspace acme: unchanged", "Collection acme/infra: changed"], Lines(Cli.Error));
        Assert.Equal(0, await Cli.RunAsync("diff", "-f", "-"));
    }

    [Theory]
    [InlineData(409, 3, "refused", "Stopped at Collection acme/infra.")]
    [InlineData(401, 5, "refused", "Stopped at Collection acme/infra.")]
    [InlineData(503, 4, "unknown", "Stopped at Collection acme/infra, of which it is not known whether it was applied.")]
    [InlineData(0, 4, "unknown", "Stopped at Collection acme/infra, of which it is not known whether it was applied.")]
    public async Task Apply_that_stops_midway_says_what_holds_where_it_stopped_and_what_is_left(int status, int exit, string result, string told)
    {
        var file = Cli.Write("three.yaml", TwoDocuments + "\n---\nkind: Definition\nmetadata: {workspace: acme, collection: infra, slug: plan}\nspec: {steps: [{name: a, script: 'true'}]}\n");
        var isMended = false;
        Api.OnRequest = async http =>
        {
            if (isMended || http.Request.Method != "PUT" || http.Request.Path != "/v1/workspaces/acme/collections/infra")
            {
                return false;
            }

            if (status == 0)
            {
                http.Abort();
            }
            else
            {
                await FakeApi.ProblemAsync(http, status, "Not now.");
            }

            return true;
        };

        Assert.Equal(exit, await Cli.RunAsync("-o", "json", "apply", "-f", file));
        var entries = JsonNode.Parse(Cli.Out.ToString())!.AsArray();
        Assert.Equal(["created", result, "not applied"], entries.Select(static entry => entry!["result"]!.GetValue<string>()));
        Assert.Equal(["Workspace", "Collection", "Definition"], entries.Select(static entry => entry!["kind"]!.GetValue<string>()));
        var lines = Lines(Cli.Error);
        Assert.Equal(("Workspace acme: created", told), (lines[0], lines[1]));
        Assert.Equal("1 of 3 hold; not applied: Definition acme/infra/plan.", lines[2]);
        if (status != 0)
        {
            Assert.Contains("Not now.", lines[^1], StringComparison.Ordinal);
            Assert.Contains("Not now.", entries[1]!["error"]!.GetValue<string>(), StringComparison.Ordinal);
        }

        isMended = true;
        Assert.Equal(0, await Cli.RunAsync("apply", "-f", file));
        Assert.Equal(["Workspace acme: unchanged", "Collection acme/infra: created", "Definition acme/infra/plan: created"], Lines(Cli.Error));
    }

    /// <summary>The server takes no policy for an issuer that is not there.</summary>
    [Fact]
    public async Task An_issuer_comes_before_the_policies_that_name_it_wherever_it_stands_in_the_file()
    {
        var file = Cli.Write("trust.yaml", """
            kind: TrustPolicy
            metadata: {workspace: acme, slug: ci}
            spec: {issuer: forge, claims: {sub: one}, allow: {roles: [viewer]}}
            ---
            kind: TrustedIssuer
            metadata: {workspace: acme, slug: forge}
            spec: {issuer: 'https://forge.example', keys: {discovery: {}}}
            """);

        Assert.Equal(0, await Cli.RunAsync("apply", "-f", file));

        Assert.Equal(["TrustedIssuer acme/forge: created", "TrustPolicy acme/ci: created"], Lines(Cli.Error));
    }

    [Fact]
    public async Task A_file_written_right_behind_its_letter_is_that_file()
    {
        var file = Cli.Write("both.yaml", TwoDocuments);
        Assert.Equal(0, await Cli.RunAsync("-ojson", "apply", $"-f{file}"));
        Assert.Equal(2, JsonNode.Parse(Cli.Out.ToString())!.AsArray().Count);
        Cli.Input = TwoDocuments;
        foreach (var word in (string[])[$"-f{file}", $"-f={file}", $"--file={file}", "-f-"]) Assert.Equal(0, await Cli.RunAsync("diff", word));
        Assert.Equal(0, await Cli.RunAsync("diff", $"-f{file}", "-f", file));

        var settings = Cli.Write("settings.json", """{"maxAgeDays":3}""");
        Api.Resources["/v1/workspaces/acme/cache/settings"] = (new JsonObject(), "\"1\"");
        Assert.Equal(0, await Cli.RunAsync("cache", "settings", "-w", "acme", $"-f{settings}"));
        Assert.Contains("PUT /v1/workspaces/acme/cache/settings", Api.Requests);
    }

    /// <summary>What follows an option is its value, and a command without the option has no file.</summary>
    [Fact]
    public async Task What_only_looks_like_a_file_behind_its_letter_is_none()
    {
        Assert.Equal(2, await Cli.RunAsync("apply", "-f", "-fnotes.yaml"));
        Assert.Contains("-fnotes.yaml", Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Equal(2, await Cli.RunAsync("get", "workspaces", "-fnotes.yaml"));
        Assert.Contains("-fnotes.yaml", Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Equal(2, await Cli.RunAsync("apply", "--", "-fnotes.yaml"));
        Assert.Empty(Api.Requests);
    }

    [Fact]
    public async Task One_mistake_in_a_file_and_nothing_of_it_is_sent()
    {
        Cli.Input = TwoDocuments + "\n---\nkind: Workspace\nmetadata: {slug: X}\n---\nkind: Nope\nmetadata: {slug: y}\n";

        Assert.Equal(2, await Cli.RunAsync("apply", "-f", "-"));
        Assert.Equal(
            ["standard input: line 10: metadata.slug: must be a slug", "standard input: line 12: kind: Nope is none of", "Nothing was sent."],
            Lines(Cli.Error).Select((line, index) => index == 0 ? line[..54] : index == 1 ? line[..46] : line));
        Assert.Empty(Api.Requests);
    }

    [Fact]
    public async Task What_the_server_finds_wrong_is_told_with_the_lines_of_the_file()
    {
        Cli.Input = "kind: Definition\nmetadata: {workspace: acme, collection: infra, slug: plan}\nspec:\n  steps:\n    - name: a\n    - name: b\n      timeoutSeconds: -1\n";
        Api.OnRequest = async http =>
        {
            if (http.Request.Method != "PUT")
            {
                return false;
            }

            await FakeApi.ProblemAsync(http, 400, "The definition has mistakes.",
            [
                new JsonObject { ["path"] = "spec.steps[1].timeoutSeconds", ["text"] = "must be at least 1" },
                new JsonObject { ["path"] = "spec.steps[0].argv", ["text"] = "is missing" },
            ]);
            return true;
        };

        Assert.Equal(3, await Cli.RunAsync("apply", "-f", "-"));
        Assert.Equal(
            [
                "Definition acme/infra/plan: refused",
                "standard input: line 5: spec.steps[0].argv: is missing",
                "standard input: line 7: spec.steps[1].timeoutSeconds: must be at least 1",
            ],
            Lines(Cli.Error));
    }

    [Fact]
    public async Task What_somebody_else_changed_meanwhile_is_not_overwritten()
    {
        Cli.Input = "kind: Workspace\nmetadata: {slug: acme}\nspec: {displayName: Mine}\n";
        Api.Resources["/v1/workspaces/acme"] = (new JsonObject { ["spec"] = new JsonObject { ["displayName"] = "Old" } }, "\"1\"");
        Api.OnRequest = http =>
        {
            if (http.Request.Method == "PUT")
            {
                Api.Resources["/v1/workspaces/acme"] = (new JsonObject { ["spec"] = new JsonObject { ["displayName"] = "Theirs" } }, "\"2\"");
            }

            return Task.FromResult(false);
        };

        Assert.Equal(3, await Cli.RunAsync("apply", "-f", "-"));
        Assert.Equal("Theirs", Api.Resources["/v1/workspaces/acme"].Resource["spec"]!["displayName"]!.GetValue<string>());
    }

    [Fact]
    public async Task What_get_prints_as_YAML_can_be_applied_again()
    {
        Cli.Input = "kind: Workspace\nmetadata: {slug: acme}\nspec: {displayName: \"yes\", defaultAudience: '12'}\n";
        Assert.Equal(0, await Cli.RunAsync("apply", "-f", "-"));
        Assert.Equal(0, await Cli.RunAsync("get", "Workspaces", "acme", "-o", "yaml"));

        Cli.Input = Cli.Out.ToString().Replace("kind: null", "kind: Workspace", StringComparison.Ordinal);
        Assert.Equal(0, await Cli.RunAsync("diff", "-f", "-"));
    }

    [Fact]
    public async Task A_uuid_that_the_server_gave_is_no_difference_and_another_one_is()
    {
        const string path = "/v1/workspaces/acme/collections/infra/definitions/plan";
        Cli.Input = "kind: Definition\nmetadata: {workspace: acme, collection: infra, slug: plan}\nspec: {steps: []}\n";
        Api.Resources[path] = (new JsonObject { ["spec"] = new JsonObject { ["steps"] = new JsonArray(), ["uuid"] = "01a1" } }, "\"1\"");
        Assert.Equal(0, await Cli.RunAsync("diff", "-f", "-"));

        Cli.Input = Cli.Input.Replace("steps: []", "steps: [], uuid: 01a2", StringComparison.Ordinal);
        Assert.Equal(1, await Cli.RunAsync("diff", "-f", "-"));
    }

    [Fact]
    public async Task Delete_takes_what_was_seen_and_says_when_there_was_nothing()
    {
        Api.Resources["/v1/workspaces/acme/runners/r1"] = ([], "\"1\"");

        Assert.Equal(0, await Cli.RunAsync("delete", "runner", "r1", "-w", "acme"));
        Assert.Equal(3, await Cli.RunAsync("delete", "runner", "r1", "-w", "acme"));
        Assert.Equal(0, await Cli.RunAsync("delete", "runner", "r1", "-w", "acme", "--ignore-not-found"));
    }

    [Fact]
    public async Task A_kind_outside_its_scope_and_a_name_that_is_no_slug_are_usage_errors()
    {
        Assert.Equal(2, await Cli.RunAsync("get", "clusters"));
        Assert.Equal(2, await Cli.RunAsync("get", "workspace", "../admin"));
        Assert.Equal(2, await Cli.RunAsync("get", "nothing"));
        Assert.Equal(2, await Cli.RunAsync("get"));
        Assert.Equal(2, await Cli.RunAsync("apply"));
        Assert.Empty(Api.Requests);
    }

    private static string[] Lines(StringWriter writer) => writer.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
