using Lanyard.Testing;
using Xunit;

namespace Lanyard.Cli.Tests;

/// <summary>One word has two meanings: the runner itself, and an admin's commands about runners.</summary>
[Line("2.9")]
public sealed class RunnerWordTests
{
    [Theory]
    [InlineData("runner")]
    [InlineData("runner --help")]
    [InlineData("runner --label requests")]
    [InlineData("runner --name approve --key-file k")]
    [InlineData("runner --server https://x --label approve")]
    [InlineData("runner --server=https://x --key-file requests")]
    [InlineData("runner --once approve")]
    public void Options_of_a_runner_may_have_any_value(string line) => Assert.True(CliProgram.IsRunner(line.Split(' ')));

    [Theory]
    [InlineData("runner requests")]
    [InlineData("runner approve SHA256 --collection a/b --label requests")]
    [InlineData("runner --server https://x -o json requests")]
    [InlineData("runner --output=json --server=https://x approve SHA256")]
    [InlineData("runners")]
    [InlineData("run runner")]
    public void An_admins_word_stands_where_a_command_stands(string line) => Assert.False(CliProgram.IsRunner(line.Split(' ')));
}
