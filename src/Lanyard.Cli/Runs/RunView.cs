using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Runs;

/// <summary>Reads the parts of a run that the commands show.</summary>
internal static class RunView
{
    public static string? State(JsonNode run) => HttpCall.Text(run["state"]) ?? HttpCall.Text((run["status"] as JsonObject)?["state"]);

    /// <summary>A run id goes into a path: <c>run_</c> and letters and digits, nothing else.</summary>
    public static string CheckedId(string id) =>
        id.StartsWith("run_", StringComparison.Ordinal) && id.Length < 64 && id.AsSpan(4).IndexOfAnyExcept(Letters) < 0
            ? id
            : throw new CommandStopped(ExitCode.Usage, $"{Printing.Named(id)} is no run: run_… is wanted.");

    private static readonly System.Buffers.SearchValues<char> Letters = System.Buffers.SearchValues.Create("0123456789abcdefghijklmnopqrstuvwxyz");
}
