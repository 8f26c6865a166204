using System.Text.RegularExpressions;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.ClusterProxy.Tests;

/// <summary>docs/kubernetes-proxy.md promises nothing that no test shows.</summary>
[Line("3.10")]
public sealed partial class ComparisonTests
{
    [Fact]
    public void Every_row_of_the_comparison_names_a_test_that_there_is()
    {
        var sources = string.Concat(Directory.GetFiles(Repo.At("tests"), "*Tests.cs", SearchOption.AllDirectories).Select(File.ReadAllText));
        var rows = File.ReadAllLines(Repo.At("docs", "kubernetes-proxy.md")).SkipWhile(l => !l.StartsWith("| feature |", StringComparison.Ordinal)).Skip(2).Select(l => l.Trim('|', ' ').Split('|', StringSplitOptions.TrimEntries)).ToList();

        Assert.True(rows.Count >= 40);
        foreach (var row in rows)
        {
            Assert.Equal(6, row.Length);
            Assert.True(
                (row[4] == "no" && row[5] == "–") || (Named().Match(row[5]) is { Success: true } name && sources.Contains($" {name.Groups[1].Value}(", StringComparison.Ordinal)),
                $"{row[0]}: no test {row[5]}");
        }
    }

    [GeneratedRegex("^`([A-Za-z0-9_]+)`$")]
    private static partial Regex Named();
}
