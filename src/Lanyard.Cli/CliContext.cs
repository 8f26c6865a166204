using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli;

/// <summary>What the commands share: the outside, the options that all have, and how a result is printed.</summary>
internal sealed class CliContext(CliConsole console)
{
    public CliConsole Console { get; } = console;

    public ConnectionOptions Options { get; } = new();

    public ApiClient Connect(ParseResult arguments) => ServerConnection.Open(arguments, Options, Console);

    /// <summary>The certificate authorities of <c>--ca-file</c> or LANYARD_CA_FILE, PEM; null: the system's are trusted.</summary>
    public string? Authorities(ParseResult arguments) => (arguments.GetValue(Options.CaFile) ?? Console.Variable("LANYARD_CA_FILE")) is { } file ? File.ReadAllText(file) : null;

    public OutputFormat Format(ParseResult arguments) => arguments.GetValue(Options.Output);

    /// <summary>A result on standard output: as JSON or YAML whole, as a table by what <paramref name="table"/> makes of it.</summary>
    public void Print(ParseResult arguments, JsonNode result, Action<TextWriter> table)
    {
        switch (Format(arguments))
        {
            case OutputFormat.Json:
                Console.Out.WriteLine(Printing.Json(result));
                break;
            case OutputFormat.Yaml:
                Console.Out.Write(Printing.Yaml(result));
                break;
            default:
                table(Console.Out);
                break;
        }
    }

    /// <summary>A word on standard error: what happens, never a result.</summary>
    public void Say(string text) => Console.Error.WriteLine(text);
}
