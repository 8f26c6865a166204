using System.Xml.Linq;

namespace Lanyard.TestTotals;

/// <summary>What all test projects of one run of <c>./test</c> said: xUnit's XML files, and a <c>NAME.lost</c> file for each project without one.</summary>
internal sealed class TestResults
{
    private readonly List<(string Name, string Reason)> failed = [];
    private readonly List<(string Name, string Reason)> skipped = [];

    public int Passed { get; private set; }

    public IReadOnlyList<(string Name, string Reason)> Failed => failed;

    public IReadOnlyList<(string Name, string Reason)> Skipped => skipped;

    /// <summary>Issue lines (<c>2.7</c>) that at least one passing test carries.</summary>
    public HashSet<string> ShownLines { get; } = [];

    /// <summary>Every issue line that any test carries, whatever became of it.</summary>
    public HashSet<string> ClaimedLines { get; } = [];

    /// <summary>Reads a folder; a file that cannot be read as xUnit's XML is a failure of its project, never silence.</summary>
    public static TestResults Read(string folder)
    {
        var results = new TestResults();
        foreach (var file in Directory.EnumerateFiles(folder, "*.lost").Order(StringComparer.Ordinal))
            results.failed.Add((Path.GetFileNameWithoutExtension(file), File.ReadAllText(file).Trim()));
        foreach (var file in Directory.EnumerateFiles(folder, "*.xml").Order(StringComparer.Ordinal))
            results.ReadFile(file);
        return results;
    }

    private void ReadFile(string file)
    {
        try
        {
            foreach (var assembly in XDocument.Load(file).Root!.Elements("assembly"))
                ReadAssembly(Path.GetFileNameWithoutExtension(file), assembly);
        }
        catch (System.Xml.XmlException e)
        {
            failed.Add((Path.GetFileNameWithoutExtension(file), "its results cannot be read: " + e.Message));
        }
    }

    private void ReadAssembly(string project, XElement assembly)
    {
        foreach (var test in assembly.Descendants("test"))
            ReadTest(test);

        // Errors outside any test: a fixture that could not clean up, an assembly that could not be set up.
        foreach (var error in assembly.Elements("errors").Elements("error"))
            failed.Add(($"{project}: {Value(error, "type")} {Value(error, "name")}", FirstLine(error.Descendants("message").FirstOrDefault()?.Value)));
    }

    private void ReadTest(XElement test)
    {
        var name = Value(test, "name");
        var lines = test.Elements("traits").Elements("trait").Where(trait => Value(trait, "name") == "Line").Select(trait => Value(trait, "value")).ToList();
        ClaimedLines.UnionWith(lines);
        switch (Value(test, "result"))
        {
            case "Pass":
                Passed++;
                ShownLines.UnionWith(lines);
                break;
            case "Fail":
                failed.Add((name, FirstLine(test.Element("failure")?.Element("message")?.Value)));
                break;
            case "Skip":
                skipped.Add((name, FirstLine(test.Element("reason")?.Value)));
                break;
            default:
                skipped.Add((name, "explicit: it runs only when it is named"));
                break;
        }
    }

    private static string Value(XElement element, string attribute) => element.Attribute(attribute)?.Value ?? "";

    private static string FirstLine(string? text) => (text ?? "").Trim().Split('\n')[0].Trim();
}
