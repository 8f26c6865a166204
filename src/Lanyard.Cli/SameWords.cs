using System.CommandLine;

namespace Lanyard.Cli;

/// <summary>What lists is called <c>list</c> everywhere, and whoever types <c>ls</c> is understood; so are the words for deleting. They are no aliases: help and completion would show all of them.</summary>
internal static class SameWords
{
    private static readonly string[][] s_groups = [["list", "ls"], ["delete", "rm", "remove"]];

    public static void Take(Command command)
    {
        foreach (var each in command.Subcommands) Take(each);
        foreach (var group in s_groups)
        {
            if (command.Subcommands.FirstOrDefault(each => group.Contains(each.Name)) is not { } shown) continue;
            foreach (var word in group.Where(word => command.Subcommands.All(each => each.Name != word))) command.Subcommands.Add(TwinOf(shown, word));
        }
    }

    private static Command TwinOf(Command shown, string word)
    {
        var twin = new Command(word, shown.Description) { Hidden = true, Action = shown.Action };
        foreach (var argument in shown.Arguments) twin.Arguments.Add(argument);
        foreach (var option in shown.Options) twin.Options.Add(option);
        return twin;
    }
}
