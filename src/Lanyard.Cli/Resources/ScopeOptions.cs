using System.CommandLine;

namespace Lanyard.Cli.Resources;

/// <summary><c>--workspace</c> and <c>--collection</c>, which LANYARD_WORKSPACE and LANYARD_COLLECTION stand in for.</summary>
internal sealed class ScopeOptions
{
    public Option<string?> Workspace { get; } = new("--workspace", "-w") { Description = "slug of the workspace (LANYARD_WORKSPACE)" };

    public Option<string?> Collection { get; } = new("--collection", "-c") { Description = "slug of the collection (LANYARD_COLLECTION)" };

    public void AddTo(Command command, bool withCollection = true)
    {
        command.Options.Add(Workspace);
        if (withCollection)
        {
            command.Options.Add(Collection);
        }
    }

    public string? FindWorkspace(ParseResult arguments, CliConsole console) =>
        Checked("workspace", arguments.GetValue(Workspace) ?? console.Variable("LANYARD_WORKSPACE"));

    public string? FindCollection(ParseResult arguments, CliConsole console) =>
        Checked("collection", arguments.GetValue(Collection) ?? console.Variable("LANYARD_COLLECTION"));

    public string GetWorkspace(ParseResult arguments, CliConsole console) =>
        FindWorkspace(arguments, console) ?? throw new CommandStopped(ExitCode.Usage, "which workspace? Give --workspace SLUG or set LANYARD_WORKSPACE.");

    public string GetCollection(ParseResult arguments, CliConsole console) =>
        FindCollection(arguments, console) ?? throw new CommandStopped(ExitCode.Usage, "which collection? Give --collection SLUG or set LANYARD_COLLECTION.");

    /// <summary>The path of a collection's runs.</summary>
    public string RunsPath(ParseResult arguments, CliConsole console) =>
        $"/v1/workspaces/{GetWorkspace(arguments, console)}/collections/{GetCollection(arguments, console)}/runs";

    /// <summary>A slug from a command line goes into a path: nothing but a slug may.</summary>
    public static string? Checked(string what, string? slug) =>
        slug is null || Slug.IsValid(slug) ? slug : throw new CommandStopped(ExitCode.Usage, $"{Printing.Named(slug)} is no slug of a {what}: a-z, 0-9 and -.");
}
