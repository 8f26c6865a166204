// TestTotals FOLDER [ISSUE_LINES]: adds up what the test projects of one `./test` left in FOLDER. Prints skipped and failed tests with their reason,
// with ISSUE_LINES (lines "2.7 words") the issue lines that no passing test shows, and at the very end "N passed, N failed, N skipped".
// Exit code 0 only when something passed and nothing failed.
using Lanyard.TestTotals;

if (args.Length is not (1 or 2) || !Directory.Exists(args[0]))
{
    Console.Error.WriteLine("usage: TestTotals FOLDER [ISSUE_LINES]");
    return 2;
}

var results = TestResults.Read(args[0]);
Print("Skipped", results.Skipped);
Print("Failed", results.Failed);
if (args.Length == 2)
{
    var known = File.ReadLines(args[1]).Where(line => line.Length > 0).Select(line => line.Split(' ', 2)).ToList();
    Print("Issue lines that no passing test shows", [.. known.Where(line => !results.ShownLines.Contains(line[0])).Select(line => (line[0], line[1]))]);
    var numbers = known.Select(line => line[0]).ToHashSet();
    Print("Tests carry a line that no issue has", [.. results.ClaimedLines.Where(line => !numbers.Contains(line)).Order().Select(line => (line, "see eng/issue-lines.txt"))]);
}

Console.WriteLine($"{results.Passed} passed, {results.Failed.Count} failed, {results.Skipped.Count} skipped");
return results.Failed.Count == 0 && results.Passed > 0 ? 0 : 1;

static void Print(string title, IReadOnlyList<(string Name, string Reason)> rows)
{
    if (rows.Count == 0)
        return;
    Console.WriteLine($"{title}:");
    foreach (var (name, reason) in rows)
        Console.WriteLine($"  {name}: {reason}");
}
