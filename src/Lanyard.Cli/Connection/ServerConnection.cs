using System.CommandLine;

namespace Lanyard.Cli.Connection;

/// <summary>Turns options, environment and files into an <see cref="ApiClient"/>: the one place that knows their order.</summary>
internal static class ServerConnection
{
    public static ApiClient Open(ParseResult arguments, ConnectionOptions options, CliConsole console)
    {
        var adminKeyPath = arguments.GetValue(options.AdminKey) ?? DataDirectory.FindAdminKey(console);
        var server = ParseUrl(
            arguments.GetValue(options.Server) ?? console.Variable("LANYARD_SERVER") ?? ReadServerUrl(adminKeyPath)
            ?? throw new CommandStopped(ExitCode.Usage, "which server? Give --server URL or set LANYARD_SERVER."));
        var http = Transport.Create(arguments.GetValue(options.CaFile) ?? console.Variable("LANYARD_CA_FILE"));
        try
        {
            return new ApiClient(server, http, ChooseBearer(arguments, options, console, server, http, adminKeyPath), console.Time);
        }
        catch
        {
            http.Dispose();
            throw;
        }
    }

    /// <summary>For a caller with a bearer of its own: no login is looked for.</summary>
    public static ApiClient OpenAs(ParseResult arguments, ConnectionOptions options, CliConsole console, BearerSource bearer) =>
        OpenAs(arguments, options, console, _ => bearer);

    /// <param name="bearerFor">Is given the instance's URL, which is the audience of what proves a caller to it.</param>
    public static ApiClient OpenAs(ParseResult arguments, ConnectionOptions options, CliConsole console, Func<string, BearerSource> bearerFor)
    {
        var server = ParseUrl(
            arguments.GetValue(options.Server) ?? console.Variable("LANYARD_SERVER") ?? throw new CommandStopped(ExitCode.Usage, "which server? Give --server URL or set LANYARD_SERVER."));
        var bearer = bearerFor(Instance(server));
        return new ApiClient(server, Transport.Create(arguments.GetValue(options.CaFile) ?? console.Variable("LANYARD_CA_FILE")), bearer, console.Time);
    }

    /// <summary>An explicit option wins; then a pipeline's own token; then the admin key of this host.</summary>
    private static BearerSource ChooseBearer(
        ParseResult arguments, ConnectionOptions options, CliConsole console, Uri server, HttpClient http, string? adminKeyPath)
    {
        if (arguments.GetValue(options.TokenFile) is { } tokenFile)
        {
            return arguments.GetValue(options.AdminKey) is null
                ? new TokenFileBearer(tokenFile)
                : throw new CommandStopped(ExitCode.Usage, "--token-file and --admin-key: give one of them.");
        }

        if (arguments.GetValue(options.AdminKey) is null
            && console.Variable("ACTIONS_ID_TOKEN_REQUEST_URL") is { } requestUrl
            && console.Variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN") is { } requestToken)
        {
            return new PipelineBearer(requestUrl, requestToken, Instance(server), Transport.Create(caFile: null));
        }

        return adminKeyPath is null
            ? throw new CommandStopped(
                ExitCode.NotAuthenticated,
                "who are you? No admin key was found on this host; give --admin-key FILE or --token-file FILE, or run in a pipeline that has an OIDC token.")
            : new AdminKeyBearer(AdminKeyFile.Read(adminKeyPath), Instance(server), http, console.Time);
    }

    /// <summary>The instance issuer's URL as it stands in tokens: without a slash at its end.</summary>
    private static string Instance(Uri server) => server.AbsoluteUri.TrimEnd('/');

    private static string? ReadServerUrl(string? adminKeyPath)
    {
        var file = adminKeyPath is null ? null : Path.Combine(Path.GetDirectoryName(Path.GetFullPath(adminKeyPath))!, DataDirectory.ServerUrlFile);
        return file is not null && File.Exists(file) ? File.ReadAllText(file).Trim() : null;
    }

    internal static Uri ParseUrl(string text)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("https" or "http")
            || url.Query.Length > 0 || url.Fragment.Length > 0 || url.UserInfo.Length > 0)
        {
            throw new CommandStopped(ExitCode.Usage, $"{text} is no server URL: https://host[:port][/path] is wanted.");
        }

        // A bearer in clear text is anybody's: http is for this host only.
        return url.Scheme == "https" || url.IsLoopback
            ? url
            : throw new CommandStopped(ExitCode.Usage, $"{text}: http is taken for this host only, a token would be readable on its way. Use https.");
    }
}
