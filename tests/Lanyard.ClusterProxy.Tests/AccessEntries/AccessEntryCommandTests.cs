using Lanyard.ClusterProxy.AccessEntries;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.AccessEntries;

[Line("3.2")]
public sealed class AccessEntryCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-entries-").FullName;
    private readonly StringWriter _output = new();
    private readonly StringWriter _errors = new();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("github", "--repository-id 42 --owner-id 7 --environment production", "github:{repository_id}")]
    [InlineData("gitlab", "--project-id 42 --namespace-id 7 --ref-protected true", "gitlab:{project_id}")]
    [InlineData("bitbucket", "--repository-uuid {a-b} --workspace-uuid {c-d} --issuer https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc", "bitbucket:{repositoryUuid}")]
    [InlineData("buildkite", "--organization-id o --pipeline-id p --branch main", "buildkite:{pipeline_id}")]
    [InlineData("lanyard", "--workspace-id ws_1 --definition-id def_1 --phase apply --issuer https://lanyard.example/oidc/acme", "lanyard:{definition_id}")]
    public void A_preset_makes_an_entry_of_ids_that_never_change_and_lint_agrees(string kind, string flags, string username)
    {
        Assert.Equal(0, Run(["preset", kind, "--name", "deploy", "--group", "deployers", .. flags.Split(' ')]));
        var file = Write("apiVersion: lanyard/v1\nkind: AccessEntries\nentries:\n" + _output);

        var entry = AccessEntryFile.Parse(File.ReadAllText(file), file).Single();

        Assert.Equal(("deploy", username), (entry.Name, entry.Text.Username));
        Assert.Equal(["deployers"], entry.Text.Groups);
        Assert.NotNull(FixedClaims.Known(entry.Username, entry.Fixed));
        Assert.Equal(0, Run(["lint", "--access-entries", file]));
    }

    [Theory]
    [InlineData("github", "--repository-id 42", "--owner-id: needed")]
    [InlineData("lanyard", "--workspace-id a --definition-id b", "--issuer: needed")]
    [InlineData("github", "--repository-id 42 --owner-id 7 --repository acme/app", "--repository: unknown argument")]
    [InlineData("jenkins", "--repository-id 42", "jenkins is none of github, gitlab, bitbucket, buildkite, lanyard")]
    public void A_preset_without_the_ids_that_last_is_refused(string kind, string flags, string expected)
    {
        Assert.Equal(2, Run(["preset", kind, .. flags.Split(' ')]));
        Assert.Contains(expected, _errors.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{repository: acme/app}", "u:{sub}", "repository can be renamed")]
    [InlineData("{repository: acme/app, repository_id: \"1\"}", "u:{repository}", "the username is made of repository")]
    [InlineData("{definition_id: def_1}", "run:{definition}", "the username is made of definition, which is a slug that a definition of another collection can have too, and a later one once this one is deleted: use {definition_id}")]
    [InlineData("{definition: deploy}", "{sub}", "one: definition is a slug that a definition of another collection can have too, and a later one once this one is deleted: ask for definition_id")]
    [InlineData("{repository_id: \"1\"}", "ci", "every token of it becomes the one user ci")]
    public void Names_that_others_can_take_are_warned_of(string claims, string username, string expected)
    {
        var file = Entries(("one", claims, username));

        Assert.Equal(1, Run(["lint", "--access-entries", file]));
        Assert.Contains(expected, _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void An_entry_that_an_earlier_one_hides_is_warned_of()
    {
        var file = Entries(("wide", "{repository_id: \"1\"}", "u:{repository_id}"), ("narrow", "{repository_id: \"1\", environment: prod}", "p:{repository_id}"));

        Assert.Equal(1, Run(["lint", "--access-entries", file]));
        Assert.Contains("narrow: never reached, because wide before it", _output.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("list")]
    [InlineData("ls")]
    public void List_shows_who_becomes_what(string word)
    {
        Assert.Equal(0, Run([word, "--access-entries", Entries(("one", "{repository_id: \"1\"}", "u:{repository_id}"))]));
        Assert.Contains("one   https://issuer.example  u:{repository_id}  deployers", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Rbac_allows_the_proxy_no_more_than_the_entries_need()
    {
        Assert.Equal(0, Run(["rbac", "--access-entries", Entries(("one", "{repository_id: \"1\"}", "u:{repository_id}")), "--grant", "edit:prod"]));

        var yaml = _output.ToString();
        Assert.Contains("resources: [\"users\"]\n  verbs: [impersonate]\n  resourceNames: [\"u:1\"]\n", yaml, StringComparison.Ordinal);
        Assert.Contains("resourceNames: [\"deployers\", \"system:authenticated\"]", yaml, StringComparison.Ordinal);
        Assert.Contains("\"userextras/authentication.kubernetes.io/credential-id\"", yaml, StringComparison.Ordinal);
        Assert.Contains("\"userextras/example.org/ref\"", yaml, StringComparison.Ordinal);
        Assert.DoesNotContain("subjectaccessreviews", yaml, StringComparison.Ordinal);
        Assert.DoesNotContain("serviceaccounts", yaml, StringComparison.Ordinal);
        Assert.Contains("kind: ClusterRole\nmetadata: {name: \"lanyard-cluster-proxy\"}", yaml, StringComparison.Ordinal);
        Assert.Contains("kind: RoleBinding\nmetadata: {name: \"lanyard-edit\", namespace: \"prod\"}", yaml, StringComparison.Ordinal);
        Assert.Contains("- {kind: User, name: \"u:1\", apiGroup: rbac.authorization.k8s.io}", yaml, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_that_depends_on_the_token_is_not_listed_and_is_granted_by_its_group()
    {
        Assert.Equal(0, Run(["rbac", "--access-entries", Entries(("one", "{repository_id: [\"1\", \"2\"]}", "u:{repository_id}")), "--grant", "view:prod:one", "--allow-as"]));

        var yaml = _output.ToString();
        Assert.DoesNotContain("resourceNames", yaml, StringComparison.Ordinal);
        Assert.Contains("resources: [subjectaccessreviews], verbs: [create]", yaml, StringComparison.Ordinal);
        Assert.Contains("userextras/originaluser.jetstack.io-user", yaml, StringComparison.Ordinal);
        Assert.Contains("- {kind: Group, name: \"deployers\", apiGroup: rbac.authorization.k8s.io}", yaml, StringComparison.Ordinal);
    }

    /// <summary>Without entries it is the mappings that make users: a UID or an extra of theirs that the proxy may not impersonate is a 403 for every request.</summary>
    [Fact]
    [Line("3.10")]
    public void Rbac_of_claim_mappings_and_of_the_proxys_own_extras_allows_what_they_make_and_no_more()
    {
        var file = Write(Mappings("\n    uid: {claim: repository_id}\n    extra: [{key: example.org/ref, valueExpression: claims.ref}]"));
        Assert.Equal(0, Run(["rbac", "--authentication-config", file, "--extra-user-headers", "example.org/Team=blue", "--extra-user-header-client-ip"]));
        var all = _output.ToString();
        _output.GetStringBuilder().Clear();
        Assert.Equal(0, Run(["rbac", "--authentication-config", Write(Mappings(""))]));
        var least = _output.ToString();

        Assert.Equal(
            ["users", "uids", "userextras/authentication.kubernetes.io/credential-id", "userextras/example.org/ref", "userextras/example.org/team", "userextras/remote-client-ip"], Resources(all));
        Assert.Equal(["users", "userextras/authentication.kubernetes.io/credential-id"], Resources(least));
        Assert.DoesNotContain("resourceNames", all, StringComparison.Ordinal);
        Assert.Contains("kind: ClusterRole\nmetadata: {name: \"lanyard-cluster-proxy\"}", least, StringComparison.Ordinal);
    }

    [Fact]
    public void Rbac_of_mappings_that_entries_take_the_place_of_or_that_should_be_granted_something_is_a_mistake()
    {
        Assert.Equal(2, Run(["rbac", "--authentication-config", Write(Mappings("")), "--access-entries", "x", "--grant", "view:prod"]));
        Assert.Contains("--access-entries: not with", _errors.ToString(), StringComparison.Ordinal);
        Assert.Contains("--grant: not with", _errors.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("root:prod", "is not view:NAMESPACE")]
    [InlineData("view", "is not view:NAMESPACE")]
    [InlineData("view:prod:two", "no entry is named two")]
    public void A_grant_that_can_not_be_made_is_a_mistake(string grant, string expected)
    {
        Assert.Equal(2, Run(["rbac", "--access-entries", Entries(("one", "{repository_id: \"1\"}", "u:{sub}")), "--grant", grant]));
        Assert.Contains(expected, _errors.ToString(), StringComparison.Ordinal);
    }

    private static string Mappings(string more) => $$"""
        apiVersion: apiserver.config.k8s.io/v1
        kind: AuthenticationConfiguration
        jwt:
        - issuer: {url: "https://issuer.example", audiences: [k8s]}
          claimMappings:
            username: {claim: sub, prefix: "ci:"}{{more}}
        """;

    private static IEnumerable<string> Resources(string yaml) =>
        yaml.Split('\n').Where(static l => l.StartsWith("  resources: [\"", StringComparison.Ordinal)).Select(static l => l["  resources: [\"".Length..^2]);

    private int Run(string[] args) => ClusterProxyProgram.RunAccessEntry(args, _output, _errors);

    private string Entries(params (string Name, string Claims, string Username)[] entries) => Write("apiVersion: lanyard/v1\nkind: AccessEntries\nentries:\n" + string.Concat(entries.Select(e =>
        $"- name: {e.Name}\n  issuer: https://issuer.example\n  claims: {e.Claims}\n  username: \"{e.Username}\"\n  groups: [deployers]\n  extras: {{example.org/ref: \"{{ref}}\"}}\n")));

    private string Write(string text)
    {
        var file = Path.Combine(_folder, "entries.yaml");
        File.WriteAllText(file, text);
        return file;
    }
}
