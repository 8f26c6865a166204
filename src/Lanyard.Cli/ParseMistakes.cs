using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using Lanyard.Cli.Explain;

namespace Lanyard.Cli;

/// <summary>What is wrong with a command line, in words for who typed it: no name of our code, nothing that may be a token, and what was probably meant.</summary>
internal static class ParseMistakes
{
    /// <param name="parsed">It has mistakes.</param>
    /// <param name="words">What the command takes besides, where another program reads it.</param>
    public static IEnumerable<string> Of(ParseResult parsed, params string[] words)
    {
        var command = parsed.CommandResult.Command;
        var unmatched = parsed.Errors.Count == 0 ? [] : command.Subcommands.Count > 0 ? parsed.UnmatchedTokens.Take(1) : parsed.UnmatchedTokens;
        foreach (var token in OddArguments(parsed).Concat(unmatched))
        {
            yield return Unknown(token, parsed.CommandResult, words);
        }

        foreach (var error in parsed.Errors.Where(error => !IsAboutUnknown(error, parsed)))
        {
            if (WrongValue(error) is { } wrong)
            {
                yield return wrong;
            }
            else if (error.SymbolResult is CommandResult or ArgumentResult { Tokens.Count: 0, Parent: CommandResult } && Missing(parsed) is { } missing)
            {
                yield return missing;
            }
            else if (parsed.UnmatchedTokens.Count == 0 || command.Subcommands.Count == 0)
            {
                yield return error.Message;
            }
        }
    }

    /// <summary>The words that <c>--help</c> stands behind, such as <c>lanyard cluster register</c>.</summary>
    public static string CommandOf(ParseResult parsed)
    {
        var names = new List<string>();
        for (var result = parsed.CommandResult; result is not null; result = result.Parent as CommandResult)
        {
            names.Insert(0, result.Parent is null ? "lanyard" : result.Command.Name);
        }

        return string.Join(' ', names);
    }

    /// <summary>A value of the wrong kind; the library would name our types.</summary>
    private static string? WrongValue(ParseError error)
    {
        var (name, type) = error.SymbolResult switch
        {
            OptionResult option => (option.Option.Name, option.Option.ValueType),
            ArgumentResult { Parent: OptionResult option } => (option.Option.Name, option.Option.ValueType),
            ArgumentResult argument => (argument.Argument.Name, argument.Argument.ValueType),
            _ => ("", typeof(string)),
        };
        return WantedOf(Nullable.GetUnderlyingType(type) ?? type) is { } wanted && error.SymbolResult!.Tokens.Count > 0
            ? $"{name} {Printing.Plain(error.SymbolResult.Tokens[0].Value)}: {wanted} is wanted"
            : null;
    }

    private static string? WantedOf(Type type) =>
        type == typeof(bool) ? "true or false"
        : type.IsEnum ? $"one of {string.Join(", ", Enum.GetNames(type).Select(static name => name.ToLowerInvariant()))}"
        : type.IsPrimitive ? "a whole number"
        : null;

    /// <summary>What a command can't do without, and is not there.</summary>
    private static string? Missing(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        return command.Arguments.FirstOrDefault(argument => argument.Arity.MinimumNumberOfValues > 0 && parsed.GetResult(argument) is not { Tokens.Count: > 0 }) is { } argument
            ? $"<{argument.Name}> is missing{(argument.Description is null ? "" : $": {argument.Description}")}"
            : command.Subcommands.Count > 0 && parsed.UnmatchedTokens.Count == 0
            ? $"{CommandOf(parsed)}: which command? {string.Join(", ", command.Subcommands.Where(static each => !each.Hidden).Select(static each => each.Name))}."
            : null;
    }

    private static string Unknown(string token, CommandResult result, string[] words)
    {
        if (ExplainCommand.LooksLikeToken(token))
        {
            return "an argument looks like a token, and a command line is no place for one: others on this host can read it and the shell keeps it.";
        }

        var names = token.StartsWith('-') ? OptionsOf(result) : result.Command.Subcommands.Where(static command => !command.Hidden).Select(static command => command.Name).Concat(words);
        var what = token.StartsWith('-') ? "option" : result.Command.Subcommands.Count > 0 ? "command" : "argument";
        return $"there is no {what} {Printing.Plain(token)} here{Suggestion.For(token, names)}";
    }

    private static IEnumerable<string> OptionsOf(CommandResult result)
    {
        foreach (var option in result.Command.Options)
        {
            yield return option.Name;
        }

        for (var above = result.Parent as CommandResult; above is not null; above = above.Parent as CommandResult)
        {
            foreach (var option in above.Command.Options.Where(static option => option.Recursive))
            {
                yield return option.Name;
            }
        }
    }

    /// <summary>A mistyped option that the parser took for an argument's value. What may begin with hyphens, such as a fingerprint, is not all small letters; behind <c>--</c> all is meant.</summary>
    private static IEnumerable<string> OddArguments(ParseResult parsed) =>
        parsed.Action is HelpAction || parsed.Tokens.Any(static token => token.Type == TokenType.DoubleDash)
            ? []
            : parsed.CommandResult.Children.OfType<ArgumentResult>().SelectMany(static argument => argument.Tokens).Select(static token => token.Value).Where(static value =>
                value.Length > 3 && value.StartsWith("--", StringComparison.Ordinal) && value.All(static sign => sign is '-' or (>= 'a' and <= 'z')));

    private static bool IsAboutUnknown(ParseError error, ParseResult parsed) =>
        parsed.UnmatchedTokens.Any(token => error.Message.Contains($"'{token}'", StringComparison.Ordinal));
}
