using System.Text.RegularExpressions;
using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Kubernetes;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Kubernetes;

/// <summary>docs/runners.md: its options, labels, rights and values are those that there are, all of them.</summary>
[Line("5.1")]
public sealed partial class RunnersPageTests
{
    private static readonly string Page = File.ReadAllText(Repo.At("docs", "runners.md"));

    [Fact]
    public void Every_option_is_in_the_table_with_its_default_and_every_line_of_the_table_is_an_option()
    {
        var said = Regex.Matches(Section("## Options"), @"^\| `(--[a-z-]+)` \| (.*) \|$", RegexOptions.Multiline).ToDictionary(static match => match.Groups[1].Value, static match => match.Groups[2].Value);

        Assert.Equal(new KubernetesOptionSet().All.Select(static option => option.Name).Append("--kubeconfig").Order(StringComparer.Ordinal), said.Keys.Order(StringComparer.Ordinal));
        foreach (var option in new KubernetesOptionSet().All.Where(static option => option.HasDefaultValue && option.ValueType != typeof(string[])))
        {
            Assert.Contains(option.GetDefaultValue()!.ToString()!, said[option.Name], StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_labels_of_Jobs_are_those_of_the_page_and_of_its_command()
    {
        var settings = new RunnerSettings(new Uri("https://lanyard.example/"), "/w", TokenFile: "/t", Kubernetes: ClusterUnderTest.Settings);
        var labels = JobManifest.Create(Payloads.Of(Payloads.Script("true")) with { Pod = new PodPayload("tools:1") }, settings, "rnr_1").Value["metadata"]!["labels"]!.AsObject();

        Assert.Equal(
            labels.Select(static label => label.Key).Where(static name => name.StartsWith("lanyard.dev/", StringComparison.Ordinal)).Order(StringComparer.Ordinal),
            Regex.Matches(Section("## Looking at it"), "`(lanyard.dev/[a-z]+)`").Select(static match => match.Groups[1].Value).Order(StringComparer.Ordinal));
        Assert.Contains("-l lanyard.dev/collection=", Page, StringComparison.Ordinal);
    }

    [Fact]
    public void The_Role_has_the_rights_of_the_page_and_no_more()
    {
        var row = Page.Split('\n').Single(static line => line.StartsWith("| Role `lanyard-runner` |", StringComparison.Ordinal));
        var said = Regex.Matches(row, @"([A-Za-z]+) \(([a-z, ]+)\)").ToDictionary(static match => match.Groups[1].Value.ToLowerInvariant(), static match => match.Groups[2].Value);
        var has = Regex.Matches(File.ReadAllText(Repo.At("deploy", "kubernetes", "runner", "role.yaml")), @"resources: \[([a-z, ]+)\]\s+verbs: \[([a-z, ]+)\]")
            .ToDictionary(static match => match.Groups[1].Value, static match => match.Groups[2].Value);

        Assert.Equal(has.OrderBy(static pair => pair.Key, StringComparer.Ordinal), said.OrderBy(static pair => pair.Key, StringComparer.Ordinal));
    }

    [Fact]
    public void Every_value_of_the_chart_is_told()
    {
        var sentence = Page.Split('\n').Single(static line => line.StartsWith("With Helm:", StringComparison.Ordinal));
        var said = Regex.Matches(sentence[sentence.IndexOf('(', StringComparison.Ordinal)..], "`([A-Za-z]+)`").Select(static match => match.Groups[1].Value);

        Assert.Equal(Value().Matches(File.ReadAllText(Repo.At("deploy", "helm", "lanyard-runner", "values.yaml"))).Select(static match => match.Groups[1].Value).Order(StringComparer.Ordinal), said.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_trouble_that_the_page_tells_of_names_tests_that_there_are()
    {
        var sources = string.Concat(Directory.GetFiles(Repo.At("tests"), "*Tests*.cs", SearchOption.AllDirectories).Select(File.ReadAllText));
        var rows = Section("## When things go wrong").Split('\n').Where(static line => line.StartsWith("| ", StringComparison.Ordinal)).Skip(1).ToList();

        Assert.InRange(rows.Count, 14, int.MaxValue);
        Assert.All(rows, row =>
        {
            var named = Test().Matches(row.Split(" | ")[^1]);
            Assert.NotEmpty(named);
            Assert.All(named, name => Assert.Contains($" {name.Groups[1].Value}(", sources, StringComparison.Ordinal));
        });
    }

    private static string Section(string heading) => Page.Split(heading + "\n")[1].Split("\n## ")[0];

    [GeneratedRegex("`([A-Z][A-Za-z0-9]*_[A-Za-z0-9_]+)`")]
    private static partial Regex Test();

    [GeneratedRegex("^([A-Za-z]+):", RegexOptions.Multiline)]
    private static partial Regex Value();
}
