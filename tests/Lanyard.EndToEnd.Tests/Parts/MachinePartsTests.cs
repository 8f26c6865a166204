using Lanyard.Testing;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Parts;

/// <summary>A test whose part is missing says so by name: no such test passes because nothing ran.</summary>
[Line("2.15")]
public sealed class MachinePartsTests
{
    [Fact]
    public void Every_part_that_a_test_names_is_known()
    {
        var named = Directory.EnumerateFiles(Repo.At("tests"), "*Tests.cs", SearchOption.AllDirectories).SelectMany(File.ReadLines)
            .Select(static line => System.Text.RegularExpressions.Regex.Match(line, "^\\s*\\[Needs\\(\"([^\"]+)\"\\)\\]$").Groups[1].Value).Where(static part => part.Length > 0).Distinct().ToList();

        Assert.Contains("bwrap", named);
        Assert.All(named, static part => Assert.DoesNotContain("there is no part", MachineParts.WhyAbsent(part) ?? "", StringComparison.Ordinal));
    }

    [Fact]
    public void A_part_that_is_absent_ends_the_test_by_its_name()
    {
        var said = Assert.Throws<InvalidOperationException>(static () => new NeedsAttribute("a-part-of-nobody").Before(null!, null!));

        Assert.Contains("a-part-of-nobody", said.Message, StringComparison.Ordinal);
        Assert.False(said.Message.StartsWith("$XunitDynamicSkip$", StringComparison.Ordinal));
    }

    [Fact]
    public void What_only_some_machines_have_is_skipped_and_what_the_test_script_installs_is_not()
    {
        Assert.All((string[])["terraform", "gcloud", "root"], static part => Assert.True(MachineParts.IsOptional(part)));
        Assert.All((string[])["bwrap", "npm", "aws-cli", "haproxy", "apache", "kube", "postgres", "zsh", "fish"], static part => Assert.False(MachineParts.IsOptional(part)));
    }
}
