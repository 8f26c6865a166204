using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Parts;

/// <summary>The last line of ./test tells the truth, also when a project said nothing.</summary>
[Line("2.15")]
public sealed class TestTotalsTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("lanyard-totals-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Passed_failed_and_skipped_tests_are_added_up_over_projects()
    {
        Write("A.xml", Results(Test("one", "Pass", "2.1"), Test("two", "Pass"), Test("three", "Skip", "2.2", "<reason>no cluster</reason>")));
        Write("B.xml", Results(Test("four", "Pass")));

        var said = await TotalsAsync();

        Assert.Equal(0, said.ExitCode);
        Assert.Equal("3 passed, 0 failed, 1 skipped", said.Output.Split('\n')[^1]);
        Assert.Contains("three: no cluster", said.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failed_test_is_named_and_fails_the_whole()
    {
        Write("A.xml", Results(Test("one", "Pass"), Test("two", "Fail", "2.1", "<failure><message>Assert.Equal() Failure\nmore</message></failure>")));

        var said = await TotalsAsync();

        Assert.Equal(1, said.ExitCode);
        Assert.Equal("1 passed, 1 failed, 0 skipped", said.Output.Split('\n')[^1]);
        Assert.Contains("two: Assert.Equal() Failure", said.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("A.lost", "killed after 900 s")]
    [InlineData("A.xml", "<assemblies><assembly><coll")]
    [InlineData("A.xml", "<assemblies><assembly><errors><error type='fixture' name='kube'><failure><message>gone</message></failure></error></errors></assembly></assemblies>")]
    public async Task A_project_that_was_killed_or_left_broken_results_is_a_failure(string file, string content)
    {
        Write("B.xml", Results(Test("one", "Pass")));
        Write(file, content);

        var said = await TotalsAsync();

        Assert.Equal(1, said.ExitCode);
        Assert.Equal("1 passed, 1 failed, 0 skipped", said.Output.Split('\n')[^1]);
    }

    [Fact]
    public async Task Nothing_at_all_is_no_success() => Assert.Equal(1, (await TotalsAsync()).ExitCode);

    [Fact]
    public async Task An_issue_line_counts_as_shown_only_by_a_passing_test()
    {
        Write("A.xml", Results(Test("one", "Pass", "2.1"), Test("two", "Fail", "2.2"), Test("three", "Pass", "2.99")));
        Write("lines.txt", "2.1 the first\n2.2 the second\n");

        var said = await TotalsAsync("lines.txt");

        Assert.Contains("  2.2: the second", said.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("  2.1: the first", said.Output, StringComparison.Ordinal);
        Assert.Contains("  2.99: see eng/issue-lines.txt", said.Output, StringComparison.Ordinal);
    }

    private Task<CommandResult> TotalsAsync(string? lines = null)
    {
        string[] arguments = lines is null ? [_folder.FullName] : [_folder.FullName, Path.Combine(_folder.FullName, lines)];
        return Command.RunAsync(Repo.Program("Lanyard.TestTotals", "Lanyard.TestTotals"), arguments);
    }

    private void Write(string name, string content) => File.WriteAllText(Path.Combine(_folder.FullName, name), content);

    private static string Results(params string[] tests) => $"<assemblies><assembly><collection>{string.Concat(tests)}</collection></assembly></assemblies>";

    private static string Test(string name, string result, string? line = null, string more = "") =>
        $"<test name='{name}' result='{result}'>{(line is null ? "" : $"<traits><trait name='Line' value='{line}' /></traits>")}{more}</test>";
}
