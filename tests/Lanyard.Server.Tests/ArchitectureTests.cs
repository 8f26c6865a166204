using System.Text.RegularExpressions;
using System.Xml.Linq;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests;

/// <summary>The house plan of docs/architecture.md, read against the code, and the alarms for size.</summary>
[Line("2.6")]
public sealed partial class ArchitectureTests
{
    private const int MaxFileLines = 400;
    private const int MaxMemberLines = 60;

    private static readonly string[] Leaves = ["Http", "Storage", "Hosting"];

    /// <summary>What composes the features may know all of them.</summary>
    private static readonly string[] Composition = ["Server"];

    private static string Source => Path.Combine(Repo.Root, "src");

    [Fact]
    public void A_folder_of_the_server_knows_only_what_the_table_allows()
    {
        var allowed = ReadTable();
        var wrong = new List<string>();
        foreach (var folder in Directory.GetDirectories(Path.Combine(Source, "Lanyard.Server")).Select(path => Path.GetFileName(path)!).Where(IsFeature))
        {
            if (!allowed.TryGetValue(folder, out var may))
            {
                wrong.Add($"{folder}/ has no row in docs/architecture.md");
                continue;
            }

            wrong.AddRange(Uses(folder).Where(use => use.Folder != folder && !may.Contains(use.Folder)).Select(use => $"{use.File} knows {use.Folder}/"));
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Fact]
    public void Projects_stand_on_what_the_table_allows()
    {
        var allowed = new Dictionary<string, string[]>(StringComparer.Ordinal)
        {
            ["Lanyard.Identity"] = [],
            ["Lanyard.Protocol"] = [],
            ["Lanyard.Server"] = ["Lanyard.Identity", "Lanyard.Protocol"],
            ["Lanyard.ClusterProxy"] = ["Lanyard.Identity", "Lanyard.Protocol"],
            ["Lanyard.Cli"] = ["Lanyard.Identity", "Lanyard.Protocol"],
            ["Lanyard.Credentials"] = ["Lanyard.Identity", "Lanyard.Protocol"],
            ["Lanyard"] = ["Lanyard.Server", "Lanyard.ClusterProxy", "Lanyard.Cli", "Lanyard.Credentials"],
        };

        foreach (var project in Directory.GetDirectories(Source).Select(path => Path.GetFileName(path)!))
        {
            var file = XDocument.Load(Path.Combine(Source, project, project + ".csproj"));
            var references = file.Descendants("ProjectReference")
                .Select(reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value.Replace('\\', '/')));
            Assert.Empty(references.Except(allowed[project]).Select(reference => $"{project} stands on {reference}"));
        }
    }

    [Theory]
    [InlineData("Lanyard.Identity")]
    [InlineData("Lanyard.Protocol")]
    public void The_ground_floor_needs_no_package_and_no_web_server(string project)
    {
        var file = XDocument.Load(Path.Combine(Source, project, project + ".csproj"));

        Assert.Empty(file.Descendants("PackageReference"));
        Assert.Empty(file.Descendants("FrameworkReference"));
    }

    [Fact]
    public void No_file_and_no_member_is_too_long()
    {
        var alarms = new List<string>();
        foreach (var path in SourceFiles(Source))
        {
            var lines = File.ReadAllLines(path);
            var name = Path.GetRelativePath(Source, path);
            if (lines.Length > MaxFileLines)
            {
                alarms.Add($"{name}: {lines.Length} lines");
            }

            alarms.AddRange(MemberLengths.Of(lines).Where(member => member.Lines > MaxMemberLines).Select(member => $"{name}:{member.Line}: a member of {member.Lines} lines"));
        }

        Assert.True(alarms.Count == 0, string.Join('\n', alarms));
    }

    /// <summary>Rows <c>| `Audit/` | owns | may know |</c>; "the same" means the row above.</summary>
    private static Dictionary<string, HashSet<string>> ReadTable()
    {
        var table = new Dictionary<string, HashSet<string>>(StringComparer.Ordinal);
        HashSet<string> above = [];
        foreach (var line in File.ReadLines(Path.Combine(Repo.Root, "docs", "architecture.md")))
        {
            if (FolderRow().Match(line) is not { Success: true } row)
            {
                continue;
            }

            var words = Words().Matches(row.Groups["may"].Value).Select(word => word.Value).ToList();
            HashSet<string> may = row.Groups["may"].Value.Contains("the same", StringComparison.Ordinal) ? [.. above] : [];
            may.UnionWith(words.Contains("leaves") ? Leaves : []);
            may.UnionWith(words.Where(word => char.IsAsciiLetterUpper(word[0])));
            table[row.Groups["folder"].Value] = may;
            above = may.Contains("Runners") ? above : may;
        }

        Assert.True(table.Count >= 10, "the table of folders in docs/architecture.md was not found");
        return table;
    }

    private static IEnumerable<(string File, string Folder)> Uses(string folder) =>
        SourceFiles(Path.Combine(Source, "Lanyard.Server", folder)).SelectMany(path =>
            Namespaces().Matches(File.ReadAllText(path)).Select(match => (Path.GetRelativePath(Source, path), match.Groups[1].Value))
                .Where(use => Directory.Exists(Path.Combine(Source, "Lanyard.Server", use.Value))));

    private static IEnumerable<string> SourceFiles(string folder) =>
        Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
            .Where(path => !path.Contains("/obj/", StringComparison.Ordinal) && !path.Contains("/bin/", StringComparison.Ordinal));

    private static bool IsFeature(string folder) => folder is not ("obj" or "bin" or "Properties") && !Composition.Contains(folder);

    [GeneratedRegex(@"^\| `(?<folder>[A-Z]\w+)/` \| .* \| (?<may>[^|]*) \|$", RegexOptions.CultureInvariant)]
    private static partial Regex FolderRow();

    [GeneratedRegex(@"[A-Za-z]+", RegexOptions.CultureInvariant)]
    private static partial Regex Words();

    [GeneratedRegex(@"Lanyard\.Server\.([A-Z]\w+)", RegexOptions.CultureInvariant)]
    private static partial Regex Namespaces();
}
