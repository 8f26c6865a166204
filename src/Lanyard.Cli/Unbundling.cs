using System.CommandLine;

namespace Lanyard.Cli;

/// <summary>
/// Values that are written right behind a letter: <c>-ojson</c>, <c>-fFILE</c>. Only these are known, and only where nothing else can be meant: one fingerprint in 64 begins with
/// a hyphen, so that <c>-oXv…</c> is no output, and <c>-fXv…</c> is a file only for a command that takes one.
/// </summary>
internal static class Unbundling
{
    private const string File = "-f";
    private static readonly ParserConfiguration Unbundled = new() { EnablePosixBundling = false };

    public static ParseResult Parse(RootCommand root, string[] args)
    {
        string[] words = [.. args.SelectMany(Output)];
        var parsed = root.Parse(words, Unbundled);
        Option[] options = [.. parsed.CommandResult.Command.Options, .. root.Options];
        if (!options.Any(static option => option.Aliases.Contains(File) && TakesValue(option))) return parsed;

        var split = new List<string>();
        for (var i = 0; i < words.Length; i++)
        {
            if (words[i] == "--")
            {
                split.AddRange(words[i..]);
                break;
            }

            // What follows an option is its value, whatever it begins with; -f=FILE and -f:FILE are understood anyway.
            var isValue = i > 0 && options.Any(option => TakesValue(option) && (option.Name == words[i - 1] || option.Aliases.Contains(words[i - 1])));
            var isFile = !isValue && words[i].Length > File.Length && words[i].StartsWith(File, StringComparison.Ordinal) && words[i][File.Length] is not ('=' or ':');
            split.AddRange(isFile ? [File, words[i][File.Length..]] : [words[i]]);
        }

        return root.Parse(split, Unbundled);
    }

    private static string[] Output(string word) => word is "-ojson" or "-oyaml" or "-otable" ? [word[..2], word[2..]] : [word];

    private static bool TakesValue(Option option) => option.ValueType != typeof(bool);
}
