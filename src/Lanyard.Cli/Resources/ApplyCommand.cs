using System.CommandLine;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Resources;

/// <summary>
/// <c>lanyard apply -f FILE</c>: makes the server's resources what the documents say. A document that already holds is not written, and one
/// that somebody else changed meanwhile is refused by its ETag, not overwritten.
/// </summary>
internal static class ApplyCommand
{
    public static Command Create(CliContext context)
    {
        var files = ResourceFile.Option();
        var command = new Command("apply", "Create or replace the resources of a file.") { files };
        command.SetAction((arguments, cancellationToken) => RunAsync(context, arguments, arguments.GetValue(files)!, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(CliContext context, ParseResult arguments, string[] files, CancellationToken cancellationToken)
    {
        var documents = await ResourceFile.ReadAsync(files, context.Console, cancellationToken);
        using var api = context.Connect(arguments);
        var done = new JsonArray();
        var isSent = false;
        try
        {
            foreach (var (file, document) in documents)
            {
                isSent = false;
                var verb = await ApplyAsync(context, api, file, document, () => isSent = true, cancellationToken);
                context.Say($"{document.Title}: {verb}");
                done.Add(Entry(document, verb));
            }
        }
        catch (Exception exception)
        {
            TellStop(context, [.. documents.Select(static entry => entry.Document)], done, isSent, exception);
            throw;
        }
        finally
        {
            if (context.Format(arguments) != OutputFormat.Table)
            {
                context.Print(arguments, done, _ => { });
            }
        }

        return ExitCode.Done;
    }

    /// <summary>
    /// Where it stopped, and what that leaves undone. Of a call that got no answer nobody knows whether it took effect: the next <c>apply</c> looks.
    /// </summary>
    private static void TellStop(CliContext context, IReadOnlyList<ResourceDocument> documents, JsonArray done, bool isSent, Exception exception)
    {
        var held = done.Count;
        var isRefused = exception is CommandStopped { ExitCode: ExitCode.Refused or ExitCode.NotAuthenticated };
        var entry = Entry(documents[held], isRefused ? "refused" : isSent ? "unknown" : "not applied");
        if (exception is CommandStopped)
        {
            entry["error"] = exception.Message;
        }

        done.Add(entry);
        foreach (var rest in documents.Skip(held + 1))
        {
            done.Add(Entry(rest, "not applied"));
        }

        if (documents.Count == 1)
        {
            return;
        }

        var left = held + 1 == documents.Count ? "" : $"; not applied: {string.Join(", ", documents.Skip(held + 1).Select(static rest => rest.Title))}";
        context.Say($"Stopped at {documents[held].Title}{(isSent && !isRefused ? ", of which it is not known whether it was applied" : "")}.");
        context.Say($"{held} of {documents.Count} hold{left}.");
        context.Say("Apply the same again when that is mended: what holds already is left as it is.");
    }

    private static JsonObject Entry(ResourceDocument document, string result) =>
        new() { ["kind"] = document.Kind.Name, ["path"] = document.Path, ["result"] = result };

    /// <param name="sending">From here on it may take effect.</param>
    private static async Task<string> ApplyAsync(CliContext context, ApiClient api, string file, ResourceDocument document, Action sending, CancellationToken cancellationToken)
    {
        var present = await api.SendAsync(HttpMethod.Get, document.Path, cancellationToken: cancellationToken);
        if (present.Status != HttpStatusCode.NotFound && !present.IsSuccess)
        {
            throw ApiClient.Stopped(present, document.Title);
        }

        if (present.IsSuccess && document.DifferencesFrom(present.Json).Count == 0)
        {
            return "unchanged";
        }

        if (document.Kind.Name == "Cluster")
        {
            throw new CommandStopped(
                ExitCode.Refused,
                $"{document.Title}: a cluster is registered and changed by a trial with a fresh token of it: lanyard cluster register --workspace {document.Workspace} --slug {document.Slug}");
        }

        var etag = present.ETag is { } tag ? EntityTagHeaderValue.Parse(tag) : null;
        sending();
        var answer = await api.SendAsync(HttpMethod.Put, document.Path, document.ToBody(), etag, onlyIfNew: !present.IsSuccess, cancellationToken);
        if (answer.Status == HttpStatusCode.NotFound && document.Workspace is { } workspace)
        {
            // The same answer to who may not know of it: the walls.
            var place = document.Collection is { } collection ? $"collection {workspace}/{collection}" : $"workspace {workspace}";
            throw new CommandStopped(ExitCode.Refused, $"{document.Title}: there is no {place}, or not for you: {ApiClient.Words(answer)}");
        }

        if (!answer.IsSuccess)
        {
            throw ResourceFile.Refused(file, document.Title, document.Source, answer);
        }

        foreach (var warning in (answer.Json?["warnings"] as JsonArray ?? []).OfType<JsonObject>())
        {
            var path = HttpCall.Text(warning["path"]) ?? "";
            var place = new YamlMistake(document.Source.LineOf(path), path, Printing.Plain(HttpCall.Text(warning["text"]) ?? ""));
            context.Say($"{ResourceFile.Name(file)}: {place} (warning)");
        }

        return present.IsSuccess ? "changed" : "created";
    }
}
