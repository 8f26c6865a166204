using System.Text.RegularExpressions;
using Lanyard.Testing;
using Lanyard.Testing.Processes;

namespace Lanyard.EndToEnd.Tests.Docs;

/// <summary>A command line that a page shows.</summary>
/// <param name="Words">Behind <c>lanyard</c>.</param>
internal sealed record ShownCommand(string Page, string Words);

/// <summary>The command lines of the pages, and what the program's own help says of them.</summary>
internal sealed partial class DocumentedCommands
{
    private readonly Dictionary<string, string> _help = new(StringComparer.Ordinal);

    /// <summary>In code spans and fenced blocks of README and docs/, decision records apart: those tell of their day.</summary>
    public static IReadOnlyList<ShownCommand> All()
    {
        var pages = Directory.GetFiles(Repo.At("docs"), "*.md", SearchOption.AllDirectories).Where(static page => !page.Contains("decisions", StringComparison.Ordinal)).Append(Repo.At("README.md"));
        return [.. pages.SelectMany(static page => Of(Path.GetRelativePath(Repo.At("."), page), File.ReadAllText(page))).Distinct()];
    }

    public static IEnumerable<ShownCommand> Of(string page, string text)
    {
        var fenced = Fence().Matches(text).Select(static match => match.Groups[1].Value.Replace("\\\n", " ", StringComparison.Ordinal)).SelectMany(static block => block.Split('\n'));
        var spans = Span().Matches(Fence().Replace(text, "\n")).Select(static match => match.Groups[1].Value);
        return fenced.SelectMany(static line => Called().Matches(line)).Concat(spans.SelectMany(static span => Begun().Matches(span)))
            .Select(match => new ShownCommand(page, match.Groups[1].Value.Trim()));
    }

    /// <summary>What the program has not, by its help: a command, or one of its options; null where it has all.</summary>
    public async Task<string?> WantingAsync(string words)
    {
        var path = new List<string>();
        var left = new Queue<string>(words.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(static word => word.TrimEnd('.', ',', ':', ')', ']').TrimStart('[', '(')));
        while (left.TryPeek(out var word) && Word().IsMatch(word))
        {
            var help = await HelpAsync(path);
            if (word.Split('|').All(one => IsCommand(help, path, one)))
            {
                path.Add(left.Dequeue().Split('|')[0]);
                continue;
            }

            if (path.Count == 0 || IsGroup(help)) return $"no command {word}";
            break;
        }

        var options = left.TakeWhile(static word => word != "--").Where(static word => word.StartsWith("--", StringComparison.Ordinal)).SelectMany(static word => word.Split('|')).Select(static word => word.Split('=')[0])
            .Where(static option => option != "--help");
        var said = await HelpAsync(path);
        return options.FirstOrDefault(option => !Regex.IsMatch(said, $@"(?<![\w-]){Regex.Escape(option)}(?![\w-])")) is { } missing ? $"no option {missing}" : null;
    }

    /// <summary>It is listed, or stands where the usage has its commands: <c>lanyard credential aws</c>.</summary>
    private static bool IsCommand(string help, List<string> path, string word)
    {
        var listed = help.Split("\nCommands:\n") is [_, var commands, ..] && Regex.IsMatch(commands, $@"^ {{2,}}{Regex.Escape(word)}(?=[ ,]|$)", RegexOptions.Multiline);
        return listed || Regex.IsMatch(help, $@"(?<![\w-]){Regex.Escape(string.Join(' ', path.Prepend("lanyard")))} +{Regex.Escape(word)}(?![\w-])");
    }

    private static bool IsGroup(string help) => help.Contains("[command] [options]", StringComparison.Ordinal);

    private async Task<string> HelpAsync(List<string> path)
    {
        var key = string.Join(' ', path);
        if (_help.TryGetValue(key, out var known)) return known;
        var said = await LanyardProcess.RunAsync([.. path, "--help"], deadline: TimeSpan.FromMinutes(1));
        return _help[key] = said.Output + said.Errors;
    }

    [GeneratedRegex(@"^ *```[a-z]*\n(.*?)^ *```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Fence();

    [GeneratedRegex("`([^`\n]+)`")]
    private static partial Regex Span();

    /// <summary>Where a shell looks for a command.</summary>
    [GeneratedRegex(@"(?:^|[|;&(""']|- |: )\s*(?:\./)?lanyard ([a-z][^|;&<>`()""']*(?:\|[a-z][^|;&<>`()""' ]*)*[^|;&<>`()""']*)")]
    private static partial Regex Called();

    [GeneratedRegex(@"^(?:\./)?lanyard ([a-z][^;&<>`()]*)")]
    private static partial Regex Begun();

    [GeneratedRegex(@"^[a-z][a-z|-]*$")]
    private static partial Regex Word();
}
