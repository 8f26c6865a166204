namespace Lanyard.Cli;

/// <summary>Everything of the outside that a command may touch besides files and HTTP: tests hand in their own.</summary>
internal sealed class CliConsole
{
    public required TextWriter Out { get; init; }

    public required TextWriter Error { get; init; }

    public required TextReader In { get; init; }

    public required Func<string, string?> Environment { get; init; }

    public required string CurrentDirectory { get; init; }

    public required TimeProvider Time { get; init; }

    /// <summary>Whether a person can be asked: both ends are a terminal.</summary>
    public required bool Interactive { get; init; }

    /// <summary>An environment variable; one that is set but empty counts as not set.</summary>
    public string? Variable(string name) => Environment(name) is { Length: > 0 } value ? value : null;

    public static CliConsole System() => new()
    {
        Out = Console.Out,
        Error = Console.Error,
        In = Console.In,
        Environment = global::System.Environment.GetEnvironmentVariable,
        CurrentDirectory = Directory.GetCurrentDirectory(),
        Time = TimeProvider.System,
        Interactive = !Console.IsInputRedirected && !Console.IsErrorRedirected,
    };
}
