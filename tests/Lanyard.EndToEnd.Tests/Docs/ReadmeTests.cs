using Lanyard.Testing;
using Lanyard.Testing.Aws;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Docs;

/// <summary>The README's five paths and the pages' five minutes, read from where they stand and typed.</summary>
[Needs("kube")]
[Needs("bwrap")]
[Needs("npm")]
public sealed class ReadmeTests(Newcomer newcomer) : IClassFixture<Newcomer>
{
    [Fact]
    [Line("2.7")]
    [Line("2.8")]
    public Task A_cluster_registers_and_its_runner_takes_a_run() => WalkAsync("### 1.");

    [Fact]
    [Line("2.10")]
    public Task Every_run_has_an_identity() => WalkAsync("### 2.");

    [Fact]
    [Line("3.1")]
    [Line("3.11")]
    public Task Kubectl_works_with_the_runs_own_token_and_RBAC_decides() => WalkAsync("### 3.");

    [Fact]
    [Line("4.1")]
    [Line("4.3")]
    public Task Four_lines_and_the_cache_is_here() => WalkAsync("### 4.");

    [Fact]
    [Line("3.11")]
    public async Task A_pipelines_one_command_reaches_EKS()
    {
        await using var issuer = await TestIssuer.StartAsync();
        await using var aws = await AwsDouble.StartAsync(issuer, "{repo}:{step}");
        var walk = Walk.Read("README.md", "### 5.");
        var environment = new Dictionary<string, string?>
        {
            ["BITBUCKET_STEP_OIDC_TOKEN"] = issuer.Mint(AwsDouble.Audience, "{repo}:{step}"),
            ["BITBUCKET_STEP_UUID"] = "{step-7}",
            ["AWS_ENDPOINT_URL_STS"] = aws.Url,
            ["AWS_ENDPOINT_URL_EKS"] = aws.Url,
        };

        var said = await newcomer.TypeAsync("lanyard() { ./lanyard \"$@\"; }\n" + walk.PipelineScript, environment);

        Assert.Empty(walk.Missing(said));
    }

    [Fact]
    [Line("2.4")]
    [Line("2.5")]
    [Line("6.2")]
    public Task Trust_policies_let_in_whom_they_mean() => WalkAsync("## Five minutes", "docs/trust-policies.md");

    [Fact]
    [Line("2.5")]
    public Task Explain_says_which_step_refused() => WalkAsync("## Five minutes", "docs/explain.md");

    [Fact]
    [Line("6.4")]
    [Line("6.5")]
    [Line("6.8")]
    public Task A_copy_of_the_keys_is_enough_to_believe_and_a_revocation_to_end_it() => WalkAsync("## Five minutes", "docs/federation.md");

    [Fact]
    [Line("4.5")]
    [Line("4.7")]
    public Task The_cache_has_walls_between_refs_and_is_counted_and_cleared() => WalkAsync("## Five minutes", "docs/cache.md");

    [Fact]
    [Line("4.2")]
    public Task A_machine_starts_what_it_may_and_dies_when_it_is_told() => WalkAsync("## Five minutes", "docs/runtime-api.md");

    [Fact]
    [Line("5.3")]
    [Line("5.4")]
    public Task A_run_finds_what_its_clouds_tools_look_for() => WalkAsync("## Five minutes", "docs/clouds.md");

    [Fact]
    [Line("5.1")]
    public Task A_runner_is_installed_in_a_cluster_by_one_command() => WalkAsync("## Five minutes", "docs/runners.md");

    [Fact]
    [Needs("terraform")]
    [Line("5.6")]
    public Task Infrastructure_is_planned_approved_and_applied() => WalkAsync("## Five minutes", "docs/infrastructure-as-code.md");

    [Fact]
    [Line("2.15")]
    public void A_promised_line_that_does_not_come_is_missed()
    {
        var walk = Walk.Read("README.md", "### 2.");

        Assert.Equal(2, walk.Missing("something else").Count);
        Assert.Contains("lanyard run whoami", walk.Script, StringComparison.Ordinal);
    }

    private async Task WalkAsync(string heading, string page = "README.md")
    {
        var walk = Walk.Read(page, heading);
        var said = newcomer.Here(await newcomer.TypeAsync(walk.Script));
        var missing = walk.Missing(said);
        Assert.True(missing.Count == 0, $"not printed: {string.Join(" | ", missing)}\n{said}");
    }
}
