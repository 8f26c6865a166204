using System.Text;
using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Opentofu;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Opentofu;

/// <summary>What the runner takes from a folder that steps may write, and what it reads of a plan.</summary>
[Line("5.6")]
public sealed class PlanReadingTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-plan-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_plan_is_counted_by_what_would_happen_and_a_replacement_counts_twice()
    {
        var plan = PlanReading.Read(Encoding.UTF8.GetBytes(
            """
            {"format_version":"1.2","resource_changes":[{"change":{"actions":["create"]}},{"change":{"actions":["update"]}},{"change":{"actions":["delete","create"]}},{"change":{"actions":["no-op"]}},
            {"change":{"actions":["read"]}}],"output_changes":{"a":{"actions":["no-op"]},"b":{"actions":["update"]}},"resource_drift":[{"change":{"actions":["update"]}},{"change":{"actions":["no-op"]}}]}
            """));
        Assert.Equal(new PlanSummary(2, 1, 1, true, 1), plan);
        Assert.True(plan!.HasChanges);
        Assert.False(PlanReading.Read("""{"format_version":"1.2"}"""u8.ToArray())!.HasChanges);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("not json")]
    [InlineData("""{"format_version":"1.2","resource_changes":[{"change":{"actions":["\ud800"]}}]}""")]
    public void What_is_no_plan_is_none(string text) => Assert.Null(PlanReading.Read(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public async Task A_link_a_pipe_a_folder_and_what_is_too_long_are_not_read()
    {
        File.WriteAllText(Path.Combine(_folder, "secret"), "of the runner");
        File.CreateSymbolicLink(Path.Combine(_folder, "link"), Path.Combine(_folder, "secret"));
        Directory.CreateDirectory(Path.Combine(_folder, "folder"));
        (await Command.RunAsync("mkfifo", [Path.Combine(_folder, "pipe")])).Succeeded();
        Assert.Equal("of the runner", Encoding.UTF8.GetString(PrivateFiles.ReadOfAnother(Path.Combine(_folder, "secret"), 100)!));
        foreach (var name in (string[])["link", "folder", "pipe", "absent"])
            Assert.Null(PrivateFiles.ReadOfAnother(Path.Combine(_folder, name), 100));
        Assert.Null(PrivateFiles.ReadOfAnother(Path.Combine(_folder, "secret"), 5));
    }
}
