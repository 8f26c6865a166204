using System.CommandLine;

namespace Lanyard.Cli.Connection;

/// <summary>The options that every admin command has: which server, whom to trust for TLS, how to prove who one is, how to print.</summary>
internal sealed class ConnectionOptions
{
    public Option<string?> Server { get; } = Recursive<string?>("--server", "URL of the server (LANYARD_SERVER; else the file server-url beside the admin key)");

    public Option<string?> CaFile { get; } = Recursive<string?>("--ca-file", "PEM file of the certificate authorities to trust for the server, instead of the system's");

    public Option<string?> AdminKey { get; } = Recursive<string?>("--admin-key", "the admin key's PEM file (default: admin-key.pem in LANYARD_DATA_DIR, ~/.local/share/lanyard or ./.lanyard)");

    public Option<string?> TokenFile { get; } = Recursive<string?>("--token-file", "a file with a workload token to present, read anew for every request");

    public Option<OutputFormat> Output { get; } = new("--output", "-o") { Description = "table, json or yaml", HelpName = "table|json|yaml", Recursive = true };

    public void AddTo(Command root)
    {
        root.Options.Add(Server);
        root.Options.Add(CaFile);
        root.Options.Add(AdminKey);
        root.Options.Add(TokenFile);
        root.Options.Add(Output);
    }

    private static Option<T> Recursive<T>(string name, string description) => new(name) { Description = description, Recursive = true };
}

internal enum OutputFormat
{
    Table,
    Json,
    Yaml,
}
