namespace Lanyard.Identity.Cel;

/// <summary>One mistake in an expression's text. Lines and columns count from 1.</summary>
public sealed record CelIssue(int Line, int Column, string Text)
{
    public override string ToString() => $"{Line}:{Column}: {Text}";
}

/// <summary>Collects mistakes by their place in the text.</summary>
internal sealed class IssueList(string source)
{
    // A text of mistakes only must not fill a log.
    private const int Most = 100;

    private readonly List<CelIssue> _issues = [];

    public IReadOnlyList<CelIssue> Issues => [.. _issues.OrderBy(i => i.Line).ThenBy(i => i.Column)];

    public bool Any => _issues.Count > 0;

    public void Add(int position, string text)
    {
        if (_issues.Count >= Most)
        {
            return;
        }

        var before = source.AsSpan(0, Math.Min(position, source.Length));
        _issues.Add(new CelIssue(1 + before.Count('\n'), position - before.LastIndexOf('\n'), text));
    }
}
