using System.CommandLine;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Resources;

/// <summary>The documents of <c>-f FILE</c>: all of them right, or a list of every mistake and nothing sent.</summary>
internal static class ResourceFile
{
    public static Option<string[]> Option() => new("--file", "-f")
    {
        Description = "a file of YAML (or JSON) documents; - is standard input; may be repeated",
        Required = true,
        Arity = ArgumentArity.OneOrMore,
    };

    public static async Task<List<(string File, ResourceDocument Document)>> ReadAsync(string[] files, CliConsole console, CancellationToken cancellationToken)
    {
        var all = new List<(string File, ResourceDocument Document)>();
        var wrong = false;
        foreach (var file in files)
        {
            var (documents, mistakes) = ResourceDocument.ReadAll(await ReadTextAsync(file, console, cancellationToken));
            all.AddRange(documents.Select(document => (file, document)));
            foreach (var mistake in mistakes)
            {
                wrong = true;
                console.Error.WriteLine($"{Name(file)}: {mistake}");
            }
        }

        return wrong
            ? throw new CommandStopped(ExitCode.Usage, "Nothing was sent.")
            : [.. all.OrderBy(entry => entry.Document.Kind.Order)];
    }

    /// <summary>What the server found wrong in a document, with the lines of the file.</summary>
    public static CommandStopped Refused(string file, string title, YamlDocument source, ApiAnswer answer)
    {
        var mistakes = ApiClient.Mistakes(answer);
        if (mistakes.Count == 0)
        {
            return ApiClient.Stopped(answer, title);
        }

        var lines = mistakes
            .Select(mistake => new YamlMistake(source.LineOf(InDocument(mistake.Path)), InDocument(mistake.Path), mistake.Text))
            .OrderBy(mistake => mistake.Line)
            .Select(mistake => $"{Name(file)}: {mistake}");
        return new CommandStopped(ExitCode.Refused, $"{title}: refused\n{string.Join('\n', lines)}");
    }

    public static string Name(string file) => file == "-" ? "standard input" : file;

    private static string InDocument(string path) => path.StartsWith("spec", StringComparison.Ordinal) ? path : path.Length == 0 ? "spec" : $"spec.{path}";

    public static async Task<string> ReadTextAsync(string file, CliConsole console, CancellationToken cancellationToken)
    {
        if (file == "-")
        {
            return await console.In.ReadToEndAsync(cancellationToken);
        }

        if (Directory.Exists(file))
        {
            throw new CommandStopped(ExitCode.Usage, $"{file} is a folder, and a file is wanted.");
        }

        try
        {
            return await File.ReadAllTextAsync(file, cancellationToken);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CommandStopped(ExitCode.Usage, $"{file}: {exception.Message}");
        }
    }
}
