namespace Lanyard.Testing.Processes;

/// <summary>The built <c>lanyard</c> as a process of its own, as people start it.</summary>
public static class LanyardProcess
{
    /// <summary>Starts <c>lanyard</c> with these arguments and leaves it running.</summary>
    public static ChildProcess Start(IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null, string? folder = null, string? input = null) =>
        ChildProcess.Start(Repo.Lanyard, arguments, environment, folder, input);

    /// <summary>Runs <c>lanyard</c> with these arguments to its end.</summary>
    public static Task<CommandResult> RunAsync(
        IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null, string? input = null, TimeSpan? deadline = null) =>
        Command.RunAsync(Repo.Lanyard, arguments, environment, input, deadline);
}
