using System.CommandLine;
using System.CommandLine.Completions;
using System.CommandLine.Parsing;

namespace Lanyard.Cli.Completion;

/// <summary>
/// The answer to <c>lanyard [suggest:POSITION] LINE</c>, as System.CommandLine's own directive is written and as dotnet-suggest asks it: what the word at the position may become,
/// one a line. It is answered here: the library knows none of the programs beside it, offers what does not begin like the word, and takes an option behind a switch for the switch's value.
/// </summary>
/// <param name="own">The commands of this program.</param>
/// <param name="usages">Usage texts of the others.</param>
internal sealed class Suggestions(RootCommand own, IEnumerable<string> usages)
{
    private const string Asked = "[suggest";

    private static readonly ParserConfiguration Unbundled = new() { EnablePosixBundling = false };

    public static bool AreAsked(string[] args) => args is [var directive, _] && directive.StartsWith(Asked, StringComparison.Ordinal) && directive.EndsWith(']');

    public IEnumerable<string> For(string[] args)
    {
        var line = args[1];
        var text = int.TryParse(args[0][Asked.Length..^1].TrimStart(':'), out var position) && position >= 0 && position < line.Length ? line[..position] : line;

        // The first word is this program, by whatever path it was called.
        var program = text.IndexOf(' ', StringComparison.Ordinal);
        if (program < 0) return [];
        text = text[(program + 1)..].TrimStart();
        var place = text.LastIndexOf(' ') + 1;
        return Words(text[..place], text[place..]).Where(name => name.StartsWith(text[place..], StringComparison.Ordinal)).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal);
    }

    private IEnumerable<string> Words(string before, string word)
    {
        var parsed = RootOf(before).Parse(before, Unbundled);
        var command = parsed.CommandResult.Command;
        var options = OptionsOf(parsed.CommandResult).ToList();
        var last = before.Split(' ', StringSplitOptions.RemoveEmptyEntries).LastOrDefault();
        if (options.Find(option => option.Arity.MinimumNumberOfValues > 0 && NamesOf(option).Contains(last)) is { } asked)
            return asked.ValueType.IsEnum ? Enum.GetNames(asked.ValueType).Select(static name => name.ToLowerInvariant()) : [];
        if (command.Subcommands.Count > 0 && parsed.UnmatchedTokens.Count > 0) return [];
        var commands = word.StartsWith('-') ? [] : command.Subcommands.Where(static each => !each.Hidden).Select(static each => each.Name).ToList();
        if (commands.Count > 0) return commands;
        var next = command.Arguments.FirstOrDefault(argument => parsed.GetResult(argument) is not { Tokens.Count: > 0 });
        var values = word.StartsWith('-') || next is null ? [] : next.GetCompletions(CompletionContext.Empty).Select(static item => item.Label).ToList();
        return values.Count > 0 ? values : options.SelectMany(NamesOf);
    }

    private static IEnumerable<string> NamesOf(Option option) => option.Aliases.Prepend(option.Name).Where(static name => name.StartsWith('-') && name != "-?");

    private static IEnumerable<Option> OptionsOf(CommandResult at)
    {
        foreach (var option in at.Command.Options) yield return option;
        for (var above = at.Parent as CommandResult; above is not null; above = above.Parent as CommandResult)
        {
            foreach (var option in above.Command.Options.Where(static option => option.Recursive)) yield return option;
        }
    }

    private RootCommand RootOf(string text)
    {
        var others = new RootCommand();
        foreach (var usage in usages) UsageText.AddTo(others, usage);
        return others.Subcommands.Any(command => text.StartsWith(command.Name + ' ', StringComparison.Ordinal)) ? others : own;
    }
}
