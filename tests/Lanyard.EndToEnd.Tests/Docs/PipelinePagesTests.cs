using System.Text.RegularExpressions;
using Lanyard.Identity.Presets;
using Lanyard.Testing;
using Lanyard.Testing.Aws;
using Lanyard.Testing.Logins;
using Lanyard.Testing.Processes;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Docs;

/// <summary>The pages of pipelines: the hook of each cloud is walked in a job of GitHub's, and no issuer that there is a preset for is forgotten.</summary>
[Line("6.9")]
public sealed partial class PipelinePagesTests : IDisposable
{
    private const string Subject = "repo:acme/app";
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-hooks-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    [Line("6.6")]
    public async Task Each_clouds_hook_works_as_its_page_says()
    {
        await using var issuer = await TestIssuer.StartAsync();
        await using var aws = await AwsDouble.StartAsync(issuer, Subject);
        await using var login = await LoginDouble.StartAsync(issuer, Subject);
        issuer.OnRequest = async context =>
        {
            if (context.Request.Path != "/job") return false;
            await context.Response.WriteAsync($$"""{"value":"{{issuer.Mint(context.Request.Query["audience"]!, Subject)}}"}""");
            return true;
        };
        File.CreateSymbolicLink(Path.Combine(_folder, "lanyard"), Repo.Lanyard);
        var environment = new Dictionary<string, string?>
        {
            ["PATH"] = $"{_folder}:{Environment.GetEnvironmentVariable("PATH")}",
            ["XDG_RUNTIME_DIR"] = Directory.CreateDirectory(Path.Combine(_folder, "run")).FullName,
            ["ACTIONS_ID_TOKEN_REQUEST_URL"] = issuer.Issuer + "/job?api-version=2.0",
            ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = "job",
            ["AWS_ENDPOINT_URL"] = aws.Url,
            ["AZURE_AUTHORITY_HOST"] = login.Url,
            ["VAULT_ADDR"] = login.Url,
        };
        var walk = Walk.Read("docs/pipelines/clouds.md", "## A hook for each");

        Assert.Empty(walk.Missing(await Walk.TypeAsync(walk.Script, _folder, environment)));
    }

    [Fact]
    public void Every_preset_and_every_cloud_has_its_page()
    {
        var pages = string.Concat(Directory.GetFiles(Repo.At("docs", "pipelines"), "*.md").Select(File.ReadAllText));
        var overview = File.ReadAllText(Repo.At("docs", "pipelines", "README.md"));

        Assert.All(IssuerPresets.All, preset => Assert.Contains(preset.Title.Split(' ')[0], pages, StringComparison.Ordinal));
        Assert.All(Directory.GetFiles(Repo.At("docs", "pipelines"), "*.md").Select(Path.GetFileName).Where(static name => name != "README.md"), name => Assert.Contains($"]({name})", overview, StringComparison.Ordinal));
        foreach (var kind in (string[])["aws", "gcp", "azure", "github", "vault", "ecr", "eks", "kube", "rds"]) Assert.Contains($"`lanyard credential {kind}`", pages, StringComparison.Ordinal);
    }

    [Fact]
    [Line("6.3")]
    public async Task Every_command_that_the_pages_name_is_one()
    {
        var pages = string.Concat(Directory.GetFiles(Repo.At("docs", "pipelines"), "*.md").Append(Repo.At("docs", "federation.md")).Select(File.ReadAllText));
        var commands = Command().Matches(pages).Select(static match => match.Groups[1].Value).Distinct().ToList();

        Assert.True(commands.Count > 5, string.Join(", ", commands));
        foreach (var command in commands)
        {
            var said = await LanyardProcess.RunAsync([command, "--help"]);
            Assert.True(said.ExitCode == 0, $"lanyard {command} --help: {said.Output}{said.Errors}");
        }
    }

    [GeneratedRegex("(?:^|[`(])(?:\\./)?lanyard ([a-z][a-z-]+)", RegexOptions.Multiline)]
    private static partial Regex Command();
}
