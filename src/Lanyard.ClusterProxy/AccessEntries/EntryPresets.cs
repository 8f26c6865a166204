using System.Text;
using Lanyard.Identity.Presets;

namespace Lanyard.ClusterProxy.AccessEntries;

/// <summary>
/// Entries for the CI systems that we know, by ids that never change: a renamed repository keeps its access, and whoever takes the old name gets none. Names stand
/// in extras only, for people who read the audit log.
/// </summary>
internal static class EntryPresets
{
    /// <param name="Issuer">Null where it belongs to the installation and must be given.</param>
    /// <param name="Required">Flag, claim and what it is.</param>
    /// <param name="Optional">The same, for what narrows an entry further.</param>
    internal sealed record Preset(
        string? Issuer,
        IReadOnlyList<(string Flag, string Claim, string Help)> Required,
        IReadOnlyList<(string Flag, string Claim, string Help)> Optional,
        string Username,
        IReadOnlyList<(string Key, string Value)> Extras);

    public static readonly IReadOnlyDictionary<string, Preset> All = new Dictionary<string, Preset>(StringComparer.Ordinal)
    {
        ["github"] = new(
            IssuerPresets.Find("github")!.Issuers[0],
            [("--repository-id", "repository_id", "numeric id of the repository"), ("--owner-id", "repository_owner_id", "numeric id of its owner")],
            [("--environment", "environment", "deployment environment"), ("--ref", "ref", "such as refs/heads/main")],
            "github:{repository_id}",
            [("github.com/repository", "{repository}"), ("github.com/ref", "{ref}")]),
        ["gitlab"] = new(
            IssuerPresets.Find("gitlab")!.Issuers[0],
            [("--project-id", "project_id", "numeric id of the project"), ("--namespace-id", "namespace_id", "numeric id of its group or user")],
            [("--environment", "environment", "deployment environment"), ("--ref", "ref", "such as main"), ("--ref-protected", "ref_protected", "true for protected refs only")],
            "gitlab:{project_id}",
            [("gitlab.com/project", "{project_path}"), ("gitlab.com/ref", "{ref}")]),
        ["bitbucket"] = new(
            null,
            [("--repository-uuid", "repositoryUuid", "{…} with its braces"), ("--workspace-uuid", "workspaceUuid", "{…} with its braces")],
            [("--environment-uuid", "deploymentEnvironmentUuid", "{…} with its braces"), ("--branch", "branchName", "such as main")],
            "bitbucket:{repositoryUuid}",
            [("bitbucket.org/step", "{stepUuid}")]),
        ["buildkite"] = new(
            IssuerPresets.Find("buildkite")!.Issuers[0],
            [("--organization-id", "organization_id", "asked for with --claim organization_id"), ("--pipeline-id", "pipeline_id", "asked for with --claim pipeline_id")],
            [("--branch", "build_branch", "such as main"), ("--step", "step_key", "key of the step")],
            "buildkite:{pipeline_id}",
            [("buildkite.com/pipeline", "{pipeline_slug}"), ("buildkite.com/job", "{job_id}")]),
        ["lanyard"] = new(
            null,
            [("--workspace-id", "workspace_id", "ws_…"), ("--definition-id", "definition_id", "def_…")],
            [("--collection-id", "collection_id", "col_…"), ("--phase", "phase", "such as apply")],
            "lanyard:{definition_id}",
            [("lanyard.example/run", "{run_id}")]),
    };

    /// <summary>One entry as YAML, to be put under <c>entries:</c>.</summary>
    public static string Write(string kind, Preset preset, string name, string issuer, IReadOnlyList<(string Claim, string Value)> claims, IReadOnlyList<string> groups)
    {
        var yaml = new StringBuilder();
        yaml.Append("# ").Append(kind).Append(": by ids that never change\n");
        yaml.Append("- name: ").Append(Yaml.Text(name)).Append('\n');
        yaml.Append("  issuer: ").Append(Yaml.Text(issuer)).Append('\n');
        yaml.Append("  claims:\n");
        foreach (var (claim, value) in claims)
        {
            yaml.Append("    ").Append(claim).Append(": ").Append(Yaml.Text(value)).Append('\n');
        }

        yaml.Append("  username: ").Append(Yaml.Text(preset.Username)).Append('\n');
        yaml.Append("  groups: ").Append(Yaml.List(groups)).Append('\n');
        yaml.Append("  extras:\n");
        foreach (var (key, value) in preset.Extras)
        {
            yaml.Append("    ").Append(key).Append(": ").Append(Yaml.Text(value)).Append('\n');
        }

        return yaml.ToString();
    }
}
