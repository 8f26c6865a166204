using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.Issuers;

/// <summary>
/// <c>lanyard issuer export WORKSPACE --out FOLDER</c>: discovery and JWKS as static files under the paths that the issuer's URL gives them, for relying parties that
/// can't reach the instance. The keys are written first and each file appears whole: a web server that reads meanwhile never shows half of anything.
/// </summary>
internal static class IssuerExport
{
    public static Command Create(CliContext context)
    {
        var workspace = new Argument<string>("workspace");
        var folder = new Option<string>("--out") { Description = "the folder that a web server serves at the issuer's host", Required = true };
        var command = new Command("export", "Write discovery and JWKS as static files.") { workspace, folder };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var slug = ScopeOptions.Checked("workspace", arguments.GetValue(workspace))!;
            using var api = context.Connect(arguments);
            var issuer = HttpCall.Text((await api.GetAsync($"/v1/workspaces/{slug}/issuer", cancellationToken))["issuer"])!;
            var path = new Uri(issuer).AbsolutePath;
            var keys = await ReadAsync(api, $"/oidc/{slug}/jwks", cancellationToken);
            var oidc = await ReadAsync(api, $"/oidc/{slug}/.well-known/openid-configuration", cancellationToken);
            var oauth = await ReadAsync(api, $"/.well-known/oauth-authorization-server/oidc/{slug}", cancellationToken);
            if (HttpCall.Member(oidc, "issuer") != issuer || HttpCall.Member(oauth, "issuer") != issuer || HttpCall.Member(oidc, "jwks_uri") != issuer + "/jwks")
            {
                throw new CommandStopped(ExitCode.Unreachable, $"the server's metadata is not that of {issuer}; nothing was written.");
            }

            (string Path, string Text)[] files =
                [($"{path}/jwks", keys), ($"{path}/.well-known/openid-configuration", oidc), ($"/.well-known/oauth-authorization-server{path}", oauth)];
            foreach (var file in files) await WriteAsync(arguments.GetValue(folder)! + file.Path, file.Text, cancellationToken);
            var result = new JsonObject { ["issuer"] = issuer, ["files"] = new JsonArray([.. files.Select(file => JsonValue.Create(file.Path[1..]))]) };
            context.Print(arguments, result, writer => writer.WriteLine(string.Join('\n', files.Select(file => file.Path[1..]))));
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task<string> ReadAsync(ApiClient api, string path, CancellationToken cancellationToken)
    {
        var answer = await api.SendAsync(HttpMethod.Get, path, cancellationToken: cancellationToken);
        return answer is { IsSuccess: true, Json: JsonObject } ? answer.Body : throw ApiClient.Stopped(answer, path);
    }

    /// <summary>Beside its place first, on disk, then moved there.</summary>
    private static async Task WriteAsync(string path, string text, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var fresh = path + ".new";
        await using (var stream = new FileStream(fresh, FileMode.Create, FileAccess.Write))
        {
            await stream.WriteAsync(System.Text.Encoding.UTF8.GetBytes(text), cancellationToken);
            stream.Flush(flushToDisk: true);
        }

        File.Move(fresh, path, overwrite: true);
    }
}
