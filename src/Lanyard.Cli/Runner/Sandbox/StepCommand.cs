namespace Lanyard.Cli.Runner.Sandbox;

/// <summary>One process to be run inside an attempt's sandbox.</summary>
/// <param name="Argv">Seen in process lists; nothing secret belongs here.</param>
/// <param name="Environment">All of it; nothing is inherited. Reaches the process through a pipe, never through an argument list.</param>
internal sealed record StepCommand(IReadOnlyList<string> Argv, IReadOnlyDictionary<string, string> Environment, bool IsScript);
