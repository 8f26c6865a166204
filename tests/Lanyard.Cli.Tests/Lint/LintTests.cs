using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Cli.Resources;
using Lanyard.Identity.Presets;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Cli.Tests.Lint;

[Line("6.3")]
public sealed class LintTests : IDisposable
{
    private readonly CliRun _cli = new();

    public static TheoryData<string> Names => [.. IssuerPresets.All.Select(static preset => preset.Name)];

    public void Dispose() => _cli.Dispose();

    [Fact]
    public async Task Every_mistake_of_every_policy_is_told_with_line_and_column()
    {
        var file = _cli.Write("policies.yaml", """
            kind: TrustPolicy
            metadata: {workspace: acme, slug: one}
            spec:
              issuer: ""
              audience: [x]
              preset: gitea
              identity: {tenant_id: '1'}
              claims:
                ref: {glob: '**'}
                groups: {contains: [], also: 1}
                team: []
              condition: |
                claims.ref ==
              principal: '{'
              context: {branch: ref}
              allow:
                roles: [viewer, boss]
                audiences: []
            ---
            kind: TrustPolicy
            metadata: {workspace: acme, slug: two}
            spec: {issuer: ci}
            """);

        Assert.Equal(2, await _cli.RunAsync("lint", file));
        var said = _cli.Out.ToString();
        foreach (var place in (string[])[
            "line 4, column 11: spec.issuer", "line 5, column 13: spec.audience: no such member", "line 6, column 11: spec.preset", "line 7, column 13: spec.identity",
            "line 9, column 17: spec.claims.ref.glob", "line 10, column 13: spec.claims.groups", "line 11, column 11: spec.claims.team", "line 12, column 14: spec.condition",
            "line 14, column 14: spec.principal", "line 15, column 21: spec.context.branch", "line 17, column 12: spec.allow.roles", "line 18, column 16: spec.allow.audiences",
            "line 22, column 7: spec.claims: is missing", "line 22, column 7: spec.allow: is missing"])
            Assert.Contains($"{file}: {place}", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_doubtful_rule_is_a_warning_and_the_issuer_beside_it_tells_what_the_rule_is_about()
    {
        const string policy = """
            kind: TrustPolicy
            metadata: {workspace: acme, slug: one}
            spec: {issuer: gh, claims: {ref: refs/heads/main}, allow: {roles: [viewer]}}
            """;
        Assert.Equal(0, await _cli.RunAsync("lint", _cli.Write("alone.yaml", policy)));
        var file = _cli.Write("both.yaml", policy + "\n---\nkind: TrustedIssuer\nmetadata: {slug: gh}\nspec: {issuer: 'https://token.actions.githubusercontent.com', keys: {discovery: {}}}\n");
        Assert.Equal(1, await _cli.RunAsync("lint", file));
        Assert.Contains("line 3, column 28: spec.claims: asks for no repository_owner_id", _cli.Out.ToString(), StringComparison.Ordinal);
        Assert.Contains("2 documents, 0 mistakes, 1 warnings", _cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Equal(2, await _cli.RunAsync("lint"));
    }

    [Fact]
    public async Task What_the_server_doubts_is_printed_by_apply_with_its_line()
    {
        await using var api = await FakeApi.StartAsync();
        _cli.Environment["LANYARD_SERVER"] = api.Url;
        _cli.Environment["LANYARD_DATA_DIR"] = _cli.Folder;
        _cli.Write("admin-key.pem", api.AdminKey.ExportPem());
        api.OnRequest = static async http =>
        {
            if (http.Request.Method != "PUT") return false;
            http.Response.StatusCode = 201;
            await Microsoft.AspNetCore.Http.HttpResponseWritingExtensions.WriteAsync(http.Response, """{"warnings":[{"path":"spec.claims.repository","text":"can be renamed\u001b[31m"}]}""");
            return true;
        };
        var file = _cli.Write("p.yaml", "kind: TrustPolicy\nmetadata: {workspace: acme, slug: one}\nspec:\n  issuer: gh\n  claims:\n    repository: a/b\n  allow: {roles: [viewer]}\n");

        Assert.Equal(0, await _cli.RunAsync("apply", "-f", file));
        Assert.Contains("line 6: spec.claims.repository: can be renamed·[31m (warning)", _cli.Error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task The_documents_that_a_preset_prints_have_neither_mistakes_nor_doubts(string name)
    {
        var sample = PresetSample.Read(name);
        string[] facts = [.. sample.Identity.SelectMany(static fact => new[] { "--set", $"{fact.Key}={fact.Value}" })];

        Assert.Equal(0, await _cli.RunAsync(["preset", "policy", name, "--issuer", sample.Issuer, "-w", "acme", .. facts]));
        var printed = _cli.Out.ToString();
        Assert.Equal(2, ResourceDocument.ReadAll(printed).Documents.Count);
        Assert.Equal(0, await _cli.RunAsync("lint", _cli.Write("printed.yaml", printed)));
        Assert.Equal("", _cli.Out.ToString());

        Assert.Equal(2, await _cli.RunAsync(["preset", "policy", name, "--issuer", "https://evil.example/x/y/z", .. facts]));
        Assert.Equal(2, await _cli.RunAsync("preset", "policy", name, "--issuer", sample.Issuer, "--set", "nobody=1"));
    }

    /// <summary>The presets' files are read by a reader of their own; a YAML library must see the same.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_presets_file_is_yaml_and_says_to_a_yaml_library_what_it_says_to_us(string name)
    {
        Assert.Equal(0, await _cli.RunAsync("preset", "show", name));
        var (documents, mistakes) = YamlReader.Read(_cli.Out.ToString());
        Assert.Empty(mistakes);
        var (file, preset) = (documents[0].Root!.AsObject(), IssuerPresets.Find(name)!);
        Assert.Equal((preset.Title, preset.Tenant, preset.Principal), (Text(file["title"]), Text(file["tenant"]), Text(file["principal"])));
        Assert.Equal(preset.Issuers, Words(file["issuers"]));
        Assert.Equal(preset.Subjects, Words(file["subjects"]));
        Assert.Equal(preset.Place, Words(file["place"]));
        Assert.Equal(preset.Claims.Count, file["claims"]!.AsObject().Count);
        Assert.All(file["claims"]!.AsObject(), claim =>
        {
            var known = preset.Claims[claim.Key];
            Assert.Equal(Text(claim.Value!["taken"]) ?? "can be renamed and taken by somebody else", known.Taken);
            Assert.Equal((known.Means, known.IsReusable, known.Lasting, known.LastingForm, known.Fact), (
                Text(claim.Value["means"]), claim.Value["reusable"]!.GetValue<bool>(), Text(claim.Value["lasting"]), Text(claim.Value["lasting-form"]), Text(claim.Value["fact"])));
        });
    }

    /// <summary>By a validator that knows nothing of us.</summary>
    [Theory]
    [InlineData("""{"kind":"TrustPolicy","metadata":{"slug":"a"},"spec":{"issuer":"gh","preset":"github","identity":{"tenant_id":"1","ref":{"glob":"refs/heads/*"}},"allow":{"roles":["viewer"]}}}""", true)]
    [InlineData("""{"kind":"TrustPolicy","metadata":{"slug":"a"},"spec":{"issuer":"gh","preset":"github","identity":{"ref":"x"},"claims":{"repository_owner_id":"1"},"allow":{"audiences":["a"]}}}""", true)]
    [InlineData("""{"kind":"TrustPolicy","metadata":{"slug":"a"},"spec":{"issuer":"ci","claims":{"team":["a","b"],"n":1,"g":{"contains":"x"}},"allow":{"roles":["viewer"]}}}""", true)]
    [InlineData("""{"kind":"TrustedIssuer","metadata":{"workspace":"acme","slug":"a"},"spec":{"issuer":"https://x.example","keys":{"discovery":{}}}}""", true)]
    [InlineData("""{"kind":"Definition","metadata":{"slug":"a"},"spec":{"steps":[]}}""", true)]
    [InlineData("""{"kind":"TrustPolicy","metadata":{"slug":"a"},"spec":{"issuer":"gh","preset":"github","identity":{"ref":"x"},"allow":{"roles":["viewer"]}}}""", false)]
    [InlineData("""{"kind":"TrustPolicy","metadata":{"slug":"a"},"spec":{"issuer":"gh","preset":"github","identity":{"tenant_id":{"glob":"9*"}},"allow":{"roles":["viewer"]}}}""", false)]
    [InlineData("""{"kind":"TrustPolicy","metadata":{"slug":"a"},"spec":{"issuer":"gh","preset":"github","identity":{"tenant_id":"1","project":"x"},"allow":{"roles":["viewer"]}}}""", false)]
    [InlineData("""{"kind":"TrustPolicy","metadata":{"slug":"a"},"spec":{"issuer":"gh","identity":{"tenant_id":"1"},"allow":{"roles":["viewer"]}}}""", false)]
    [InlineData("""{"kind":"TrustPolicy","metadata":{"slug":"a"},"spec":{"issuer":"ci","claims":{"ref":"refs/heads/*"},"allow":{"roles":["viewer"]}}}""", false)]
    [InlineData("""{"kind":"TrustPolicy","metadata":{"slug":"a"},"spec":{"issuer":"ci","claims":{"a":"b"},"allow":{"roles":["boss"]}}}""", false)]
    [InlineData("""{"kind":"TrustPolicy","metadata":{"slug":"a"},"spec":{"issuer":"ci","allow":{"roles":["viewer"]}}}""", false)]
    [InlineData("""{"kind":"TrustedIssuer","metadata":{"slug":"a"},"spec":{"issuer":"https://x.example","keys":{}}}""", false)]
    public async Task The_schema_for_editors_takes_what_is_good_and_marks_what_is_not(string document, bool expected)
    {
        Assert.Equal(0, await _cli.RunAsync("lint", "--schema"));
        var schema = _cli.Write("schema.json", _cli.Out.ToString());
        Assert.Equal(JsonValueKind.Object, JsonNode.Parse(_cli.Out.ToString())!.GetValueKind());
        using var python = Process.Start(new ProcessStartInfo("python3", [
            "-c", "import json,sys,jsonschema as j; s=json.load(open(sys.argv[1])); j.Draft202012Validator.check_schema(s); sys.exit(not j.Draft202012Validator(s).is_valid(json.load(open(sys.argv[2]))))",
            schema, _cli.Write("document.json", document)]))!;
        await python.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Equal(expected ? 0 : 1, python.ExitCode);
    }

    private static string? Text(JsonNode? node) => node?.GetValue<string>();

    private static string[] Words(JsonNode? node) => [.. (node as JsonArray ?? []).Select(static word => word!.GetValue<string>())];
}
