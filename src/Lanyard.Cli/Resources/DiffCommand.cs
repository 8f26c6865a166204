using System.CommandLine;
using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Resources;

/// <summary><c>lanyard diff -f FILE</c>: what <c>apply</c> would change. Exit code 1 where it would change something.</summary>
internal static class DiffCommand
{
    public static Command Create(CliContext context)
    {
        var files = ResourceFile.Option();
        var command = new Command("diff", "Show what apply would change; exit code 1 if anything.") { files };
        command.SetAction((arguments, cancellationToken) => RunAsync(context, arguments, arguments.GetValue(files)!, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(CliContext context, ParseResult arguments, string[] files, CancellationToken cancellationToken)
    {
        var documents = await ResourceFile.ReadAsync(files, context.Console, cancellationToken);
        using var api = context.Connect(arguments);
        var result = new JsonArray();
        foreach (var (_, document) in documents)
        {
            var present = await api.SendAsync(HttpMethod.Get, document.Path, cancellationToken: cancellationToken);
            if (present.Status != HttpStatusCode.NotFound && !present.IsSuccess)
            {
                throw ApiClient.Stopped(present, document.Title);
            }

            var differences = document.DifferencesFrom(present.IsSuccess ? present.Json : null);
            if (!present.IsSuccess || differences.Count > 0)
            {
                result.Add(Entry(document, present.IsSuccess, differences));
            }
        }

        context.Print(arguments, result, writer => Write(writer, result));
        return result.Count == 0 ? ExitCode.Done : ExitCode.No;
    }

    private static JsonObject Entry(ResourceDocument document, bool exists, List<Difference> differences)
    {
        var list = new JsonArray();
        foreach (var difference in exists ? differences : [])
        {
            list.Add(new JsonObject { ["path"] = difference.Path, ["there"] = difference.There, ["here"] = difference.Here });
        }

        return new JsonObject { ["title"] = document.Title, ["path"] = document.Path, ["exists"] = exists, ["differences"] = list };
    }

    private static void Write(TextWriter writer, JsonArray result)
    {
        foreach (var entry in result.OfType<JsonObject>())
        {
            var exists = entry["exists"]!.GetValue<bool>();
            writer.WriteLine(exists ? $"~ {HttpCall.Text(entry["title"])}" : $"+ {HttpCall.Text(entry["title"])}");
            foreach (var difference in entry["differences"]!.AsArray().OfType<JsonObject>())
            {
                writer.WriteLine($"    {HttpCall.Text(difference["path"])}: {HttpCall.Text(difference["there"]) ?? "(not there)"} -> {HttpCall.Text(difference["here"]) ?? "(not there)"}");
            }
        }
    }
}
