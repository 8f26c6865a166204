namespace Lanyard.Cli.Connection;

/// <summary>
/// Where a server on this host keeps its files, so that the CLI beside it needs no option: <c>LANYARD_DATA_DIR</c>, else
/// <c>~/.local/share/lanyard</c>, else <c>./.lanyard</c>; the first that has the file.
/// </summary>
internal static class DataDirectory
{
    public const string AdminKeyFile = "admin-key.pem";
    public const string ServerUrlFile = "server-url";

    public static string? FindAdminKey(CliConsole console) => Candidates(console).Select(folder => Path.Combine(folder, AdminKeyFile)).FirstOrDefault(File.Exists);

    private static IEnumerable<string> Candidates(CliConsole console)
    {
        if (console.Variable("LANYARD_DATA_DIR") is { } named)
        {
            // Who names a folder means that one: another server's key must not be taken instead.
            return [named];
        }

        var local = Path.Combine(console.CurrentDirectory, ".lanyard");
        return console.Variable("HOME") is { } home ? [Path.Combine(home, ".local", "share", "lanyard"), local] : [local];
    }
}
