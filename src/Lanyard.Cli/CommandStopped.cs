namespace Lanyard.Cli;

/// <summary>
/// Ends a command with an exit code and words for standard error. Only <see cref="CliProgram"/> catches it, so that a command reads
/// from top to bottom; nothing below the commands decides by it.
/// </summary>
internal sealed class CommandStopped(int exitCode, string message) : Exception(message)
{
    public int ExitCode { get; } = exitCode;
}
