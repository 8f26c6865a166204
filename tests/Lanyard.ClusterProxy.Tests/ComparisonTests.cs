using System.Text.RegularExpressions;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.ClusterProxy.Tests;

/// <summary>docs/kubernetes-proxy.md and the page of cases promise nothing that no test shows.</summary>
[Line("3.10")]
public sealed partial class ComparisonTests
{
    [Theory]
    [InlineData("kubernetes-proxy.md", "| feature |", 6, 40)]
    [InlineData("kubernetes-proxy-cases.md", "| case |", 3, 80)]
    public void Every_row_names_a_test_that_there_is(string page, string heading, int columns, int atLeast)
    {
        var sources = string.Concat(Directory.GetFiles(Repo.At("tests"), "*Tests*.cs", SearchOption.AllDirectories).Select(File.ReadAllText));
        var rows = File.ReadAllLines(Repo.At("docs", page)).SkipWhile(l => !l.StartsWith(heading, StringComparison.Ordinal)).Skip(2).TakeWhile(l => l.StartsWith('|'))
            .Select(l => l[1..^1].Split('|', StringSplitOptions.TrimEntries)).Where(static row => !row[0].StartsWith("**", StringComparison.Ordinal)).ToList();

        Assert.True(rows.Count >= atLeast);
        foreach (var row in rows)
        {
            Assert.Equal(columns, row.Length);
            Assert.True(
                (row[^2] is "no" or "not offered" && row[^1] == "–")
                    || row[^1].Split(", ").All(one => Named().Match(one) is { Success: true } name && sources.Contains($" {name.Groups[1].Value}(", StringComparison.Ordinal)),
                $"{row[0]}: no test {row[^1]}");
        }
    }

    [GeneratedRegex("^`([A-Za-z0-9_]+)`$")]
    private static partial Regex Named();
}
