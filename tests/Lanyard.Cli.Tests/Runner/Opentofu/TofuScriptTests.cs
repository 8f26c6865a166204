using Lanyard.Cli.Runner.Opentofu;
using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Opentofu;

/// <summary>The runner's own step, with tools that only say how they were called.</summary>
[Line("5.6")]
public sealed class TofuScriptTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-tofu-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("tofu", "tofu")]
    [InlineData("terraform", "terraform")]
    [InlineData("tofu", "tofu", "terraform")]
    public async Task The_tool_that_is_there_is_used_and_of_both_OpenTofu(string used, params string[] installed)
    {
        var said = await RunAsync("plan", "apply", installed);

        Assert.Equal(0, said.ExitCode);
        Assert.Equal(["init", "plan", "show"], Calls().Select(static call => call.Split(' ')[1]));
        Assert.All(Calls(), call => Assert.StartsWith($"{used} ", call, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_a_tool_it_says_so()
    {
        var said = await RunAsync("plan", "apply");

        Assert.Equal(127, said.ExitCode);
        Assert.Contains("neither tofu nor terraform", said.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("apply", "")]
    [InlineData("destroy", " -destroy")]
    [InlineData("drift", " -refresh-only")]
    public async Task Each_action_is_a_plan_of_its_own(string action, string more)
    {
        await RunAsync("plan", action, "tofu");

        Assert.Equal($"tofu plan -no-color -input=false -lock-timeout=60s -out=lanyard.tfplan{more}", Calls()[1]);
    }

    [Fact]
    public async Task What_is_applied_is_the_plan_with_the_files_and_the_providers_of_then()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "main.tf"), "of the plan");
        await RunAsync("plan", "apply", "tofu");
        await File.WriteAllTextAsync(Path.Combine(_folder, "main.tf"), "of somebody later");
        File.Delete(Path.Combine(_folder, "lanyard-plan.tools", "calls"));

        await RunAsync("apply", "apply", "tofu");

        Assert.Equal(["tofu init -no-color -input=false -lockfile=readonly", "tofu apply -no-color -input=false -lock-timeout=60s lanyard.tfplan"], Calls());
        Assert.Equal("of the plan", await File.ReadAllTextAsync(Path.Combine(_folder, "main.tf")));
    }

    [Fact]
    public async Task A_plan_that_fails_leaves_nothing_to_apply()
    {
        var said = await RunAsync("plan", "apply", ["tofu"], "[ $1 = plan ] && exit 3");

        Assert.Equal(3, said.ExitCode);
        Assert.False(File.Exists(Path.Combine(_folder, TofuScript.Bundle)));
    }

    private Task<CommandResult> RunAsync(string phase, string action, params string[] installed) => RunAsync(phase, action, installed, ":");

    private async Task<CommandResult> RunAsync(string phase, string action, string[] installed, string more)
    {
        var tools = Directory.CreateDirectory(Path.Combine(_folder, "lanyard-plan.tools")).FullName; // of that name it is no part of the bundle
        foreach (var tool in installed)
        {
            var file = Path.Combine(tools, tool);
            await File.WriteAllTextAsync(file, $"#!/bin/sh\necho {tool} $* >> {tools}/calls\n[ $1 = show ] && echo '{{}}'\n{more}\n[ $1 = plan ] && echo planned > lanyard.tfplan\nexit 0\n");
            File.SetUnixFileMode(file, (UnixFileMode)0b111_101_101);
        }

        return await Command.RunAsync(
            "/bin/sh", ["-c", $"cd {_folder} && {TofuScript.Text}"],
            new Dictionary<string, string?>
            {
                ["PATH"] = $"{tools}:/usr/bin:/bin", ["LANYARD_PHASE"] = phase, [TofuScript.FolderVariable] = ".", [TofuScript.ActionVariable] = action,
            });
    }

    private string[] Calls() => File.ReadAllLines(Path.Combine(_folder, "lanyard-plan.tools", "calls"));
}
