using System.CommandLine;

namespace Lanyard.Cli;

/// <summary>What lists is called <c>list</c> everywhere, and whoever types <c>ls</c> is understood. It is no alias: help and completion would show both words.</summary>
internal static class ListWord
{
    private const string Shown = "list";
    private const string Taken = "ls";

    public static void TakeLsToo(Command command)
    {
        foreach (var each in command.Subcommands) TakeLsToo(each);
        if (command.Subcommands.FirstOrDefault(static each => each.Name == Shown) is { } list) command.Subcommands.Add(TwinOf(list));
    }

    private static Command TwinOf(Command list)
    {
        var twin = new Command(Taken, list.Description) { Hidden = true, Action = list.Action };
        foreach (var argument in list.Arguments) twin.Arguments.Add(argument);
        foreach (var option in list.Options) twin.Options.Add(option);
        return twin;
    }
}
