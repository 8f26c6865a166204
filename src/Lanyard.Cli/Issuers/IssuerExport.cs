using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.Issuers;

/// <summary>
/// <c>lanyard issuer export WORKSPACE --out PLACE</c>: discovery and JWKS as static files under the paths that the issuer's URL gives them, in a folder or a bucket, for relying
/// parties that can't reach the instance. The keys are written first and each file appears whole. Keys that will sign are in the set a day before they do; whether that was
/// early enough for everybody's copy of it, the file <c>jwks-history.json</c> beside it knows, and a warning says.
/// </summary>
internal static class IssuerExport
{
    private const string HistoryFile = "jwks-history.json";

    /// <summary>What most relying parties keep a key set for is far less; Gardener advises a day.</summary>
    private const double UsualCacheHours = 12;

    public static Command Create(CliContext context)
    {
        var workspace = new Argument<string>("workspace");
        var place = new Option<string>("--out") { Description = "a folder, s3://BUCKET[/PREFIX], gs://BUCKET[/PREFIX] or azblob://ACCOUNT/CONTAINER[/PREFIX], which is served at the issuer's host", Required = true };
        var bearer = new Option<string?>("--bearer-file") { Description = "for gs:// and azblob://: a file with an access token" };
        var check = new Option<bool>("--check") { Description = "write nothing; exit code 1 if what is there is not what the server publishes, or a warning is due" };
        var cache = new Option<double>("--relying-party-cache")
        {
            Description = $"hours for which relying parties may keep a key set (default {UsualCacheHours.ToString(CultureInfo.InvariantCulture)})", DefaultValueFactory = static _ => UsualCacheHours,
        };
        var command = new Command("export", "Write discovery and JWKS as static files; exit code 1 if a relying party's copy of the keys may be too old.") { workspace, place, bearer, check, cache };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var slug = ScopeOptions.Checked("workspace", arguments.GetValue(workspace))!;
            if (arguments.GetValue(cache) is not (>= 0 and <= 24 * 30)) throw new CommandStopped(ExitCode.Usage, "--relying-party-cache: 0 to 720 hours.");
            using var api = context.Connect(arguments);
            var export = await ReadAsync(api, slug, cancellationToken);
            using var target = ExportTarget.Open(arguments.GetValue(place)!, arguments.GetValue(bearer), context.Console);
            var (isSame, warnings) = await PublishAsync(target, export, TimeSpan.FromHours(arguments.GetValue(cache)), arguments.GetValue(check), context.Console.Time.GetUtcNow(), cancellationToken);
            if (arguments.GetValue(check) && !isSame) warnings.Insert(0, $"what {arguments.GetValue(place)} has is not what the server publishes: export it");
            Say(context, arguments, export, warnings);
            return warnings.Count == 0 ? ExitCode.Done : ExitCode.No;
        });
        return command;
    }

    /// <returns>Whether what was there is what the server publishes.</returns>
    private static async Task<(bool IsSame, List<string> Warnings)> PublishAsync(
        ExportTarget target, Export export, TimeSpan cache, bool isCheck, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var historyPath = $"{export.Path}/{HistoryFile}";
        var before = ExportHistory.Parse(await target.ReadAsync(historyPath, cancellationToken));
        var after = before.With(export.Keys, now);
        var isSame = true;
        foreach (var file in export.Files)
        {
            if (await target.ReadAsync(file.Path, cancellationToken) == file.Text) continue;
            isSame = false;
            if (!isCheck) await target.WriteAsync(file.Path, file.Text, cancellationToken);
        }

        // Last: a key counts as published from the moment that it is.
        if (!isCheck && export.Keys.Count > 0) await target.WriteAsync(historyPath, after.ToJson(), cancellationToken);
        return (isSame, [.. after.Warnings(before, export.Keys, cache, now)]);
    }

    private static async Task<Export> ReadAsync(ApiClient api, string slug, CancellationToken cancellationToken)
    {
        var view = await api.GetAsync($"/v1/workspaces/{slug}/issuer", cancellationToken);
        var issuer = HttpCall.Text(view["issuer"])!;
        var path = new Uri(issuer).AbsolutePath.TrimEnd('/');
        var keys = await FileAsync(api, $"/oidc/{slug}/jwks", cancellationToken);
        var oidc = await FileAsync(api, $"/oidc/{slug}/.well-known/openid-configuration", cancellationToken);
        var oauth = await FileAsync(api, $"/.well-known/oauth-authorization-server/oidc/{slug}", cancellationToken);
        if (HttpCall.Member(oidc, "issuer") != issuer || HttpCall.Member(oauth, "issuer") != issuer || HttpCall.Member(oidc, "jwks_uri") != issuer + "/jwks")
        {
            throw new CommandStopped(ExitCode.Unreachable, $"the server's metadata is not that of {issuer}; nothing was written.");
        }

        return new Export(
            issuer, path, [($"{path}/jwks", keys), ($"{path}/.well-known/openid-configuration", oidc), ($"/.well-known/oauth-authorization-server{path}", oauth)],
            [.. (view["keys"] as JsonArray ?? []).OfType<JsonObject>().Select(KeyOf)]);
    }

    private static ExportedKey KeyOf(JsonObject key) => new(
        HttpCall.Text(key["kid"])!, HttpCall.Text(key["state"])!, TimeOf(key["createdAt"]) ?? DateTimeOffset.UnixEpoch, TimeOf(key["activeAt"]));

    private static DateTimeOffset? TimeOf(JsonNode? node) =>
        HttpCall.Text(node) is { } text && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : null;

    private static async Task<string> FileAsync(ApiClient api, string path, CancellationToken cancellationToken)
    {
        var answer = await api.SendAsync(HttpMethod.Get, path, cancellationToken: cancellationToken);
        return answer is { IsSuccess: true, Json: JsonObject } ? answer.Body : throw ApiClient.Stopped(answer, path);
    }

    private static void Say(CliContext context, System.CommandLine.ParseResult arguments, Export export, List<string> warnings)
    {
        var result = new JsonObject
        {
            ["issuer"] = export.Issuer,
            ["files"] = new JsonArray([.. export.Files.Select(static file => JsonValue.Create(file.Path[1..]))]),
            ["warnings"] = new JsonArray([.. warnings.Select(static warning => JsonValue.Create(warning))]),
        };
        context.Print(arguments, result, writer => writer.WriteLine(string.Join('\n', export.Files.Select(static file => file.Path[1..]))));
        warnings.ForEach(warning => context.Say($"! {Printing.Plain(warning)}"));
    }

    private sealed record Export(string Issuer, string Path, IReadOnlyList<(string Path, string Text)> Files, IReadOnlyList<ExportedKey> Keys);
}
