using System.CommandLine;
using System.Text.RegularExpressions;

namespace Lanyard.Cli.Completion;

/// <summary>
/// Commands and options as a usage text names them: <c>lanyard WORD… --option …</c> is a command, lines below it go on with it, and a paragraph that begins with <c>NAME:</c> has
/// options of every command that says <c>[NAME]</c>. So what the programs print for people is what is completed, of those too that read their command line themselves.
/// </summary>
internal static partial class UsageText
{
    public static void AddTo(Command root, string usage)
    {
        var (commands, paragraphs) = Read(usage.ReplaceLineEndings("\n").Split('\n'));
        foreach (var (path, text) in commands)
        {
            var command = path.Aggregate(root, Child);
            var said = text + string.Concat(paragraphs.Where(paragraph => text.Contains($"[{paragraph.Key}]", StringComparison.Ordinal)).Select(static paragraph => paragraph.Value));
            foreach (Match match in OptionPattern().Matches(said))
            {
                if (command.Options.Any(option => option.Name == match.Groups["name"].Value)) continue;
                command.Options.Add(new Option<string?>(match.Groups["name"].Value) { Arity = match.Groups["value"].Success ? ArgumentArity.ExactlyOne : ArgumentArity.Zero });
            }
        }
    }

    private static (List<(string[] Path, string Text)> Commands, Dictionary<string, string> Paragraphs) Read(string[] lines)
    {
        var commands = new List<(string[] Path, string Text)>();
        var paragraphs = new Dictionary<string, string>();
        string? paragraph = null;
        foreach (var line in lines)
        {
            if (CommandPattern().Match(line) is { Success: true } command)
            {
                commands.Add(([.. command.Groups["word"].Captures.Select(static word => word.Value)], line));
            }
            else if (ParagraphPattern().Match(line) is { Success: true } head)
            {
                paragraph = head.Groups["name"].Value;
                paragraphs[paragraph] = line;
            }
            else if (line.StartsWith(' ') && paragraph is not null)
            {
                paragraphs[paragraph] += line;
            }
            else if (line.StartsWith(' ') && commands.Count > 0)
            {
                commands[^1] = (commands[^1].Path, commands[^1].Text + line);
            }
        }

        return (commands, paragraphs);
    }

    private static Command Child(Command parent, string name)
    {
        if (parent.Subcommands.FirstOrDefault(each => each.Name == name) is { } known) return known;
        var child = new Command(name);
        parent.Subcommands.Add(child);
        return child;
    }

    [GeneratedRegex(@"^(usage:)?\s*lanyard( (?<word>[a-z][a-z-]*)(?=\s|$))+")]
    private static partial Regex CommandPattern();

    [GeneratedRegex("^(?<name>[A-Z]+):")]
    private static partial Regex ParagraphPattern();

    [GeneratedRegex("(?<name>--[a-z][a-z-]+)(?<value> [A-Za-z])?")]
    private static partial Regex OptionPattern();
}
