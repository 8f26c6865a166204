namespace Lanyard.Cli.Clusters;

/// <summary>
/// A wizard's questions. Each has a flag that answers it; with <c>--yes</c>, or where nobody sits at the terminal, the default is taken, and
/// a question without one is a usage error that names its flag.
/// </summary>
internal sealed class Questions(CliConsole console, bool yes)
{
    private bool Asks => console.Interactive && !yes;

    public string Text(string? given, string flag, string question, string? proposal, Func<string, bool> isValid, string rule)
    {
        if (given is not null)
        {
            return isValid(given) ? given : throw new CommandStopped(ExitCode.Usage, $"{flag} {Printing.Plain(given)}: {rule}.");
        }

        if (!Asks)
        {
            return proposal ?? throw new CommandStopped(ExitCode.Usage, $"{question} Give {flag}.");
        }

        while (true)
        {
            console.Error.Write(proposal is null ? $"{question} " : $"{question} [{proposal}] ");
            var answer = console.In.ReadLine() ?? throw new CommandStopped(ExitCode.Usage, "no answer.");
            answer = answer.Trim().Length == 0 ? proposal ?? "" : answer.Trim();
            if (isValid(answer))
            {
                return answer;
            }

            console.Error.WriteLine($"  {rule}");
        }
    }

    /// <summary>Yes or no; without a terminal the answer is <paramref name="proposal"/>.</summary>
    public bool Confirm(string question, bool proposal)
    {
        if (!Asks)
        {
            return proposal;
        }

        console.Error.Write($"{question} [{(proposal ? "Y/n" : "y/N")}] ");
        return console.In.ReadLine()?.Trim().ToLowerInvariant() switch
        {
            "y" or "yes" => true,
            "n" or "no" or null => false,
            _ => proposal,
        };
    }
}
