namespace Lanyard.Testing.Processes;

/// <summary>What a program that ran to its end said.</summary>
public sealed record CommandResult(int ExitCode, string Output, string Errors)
{
    /// <summary>Standard output, or an exception with everything it said when it failed.</summary>
    public string Succeeded() =>
        ExitCode == 0 ? Output : throw new InvalidOperationException($"exit code {ExitCode}\nstandard output:\n{Output}\nstandard error:\n{Errors}");
}

/// <summary>Programs that are run to their end. Secrets go in by <c>input</c>, never as arguments.</summary>
public static class Command
{
    public static async Task<CommandResult> RunAsync(
        string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null, string? input = null, TimeSpan? deadline = null)
    {
        await using var process = ChildProcess.Start(program, arguments, environment, input: input);
        var code = await process.WaitForExitAsync(deadline);
        return new CommandResult(code, process.Output, process.Errors);
    }
}
