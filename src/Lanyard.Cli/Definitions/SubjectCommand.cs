using System.CommandLine;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;
using Lanyard.Identity.Tokens;

namespace Lanyard.Cli.Definitions;

/// <summary>
/// <c>lanyard subject preview</c> (<see cref="SubjectPreviewCommand"/>) and <c>lanyard subject migrate DEFINITION --audience A --to NAME</c>: makes another of the audience's subject templates the default. The one before stays to be asked
/// for by name, so that a caller whose policies are not changed yet goes on.
/// </summary>
internal static class SubjectCommand
{
    public static Command Create(CliContext context) => new("subject", "The subjects of identity tokens.") { SubjectPreviewCommand.Create(context), Migrate(context) };

    private static Command Migrate(CliContext context)
    {
        var definition = new Argument<string>("definition");
        var audience = new Option<string>("--audience") { Description = "whose default is changed", Required = true };
        var to = new Option<string>("--to") { Description = "name of the new default: one of the audience's subjects, or a preset", Required = true };
        var keep = new Option<string>("--keep-as") { Description = "name for a default that has none (default: previous)", DefaultValueFactory = _ => "previous" };
        var scope = new ScopeOptions();
        var command = new Command("migrate", "Flip the default subject template of an audience; the old one stays by name.") { definition, audience, to, keep };
        scope.AddTo(command, withCollection: true);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var slug = ScopeOptions.Checked("definition", arguments.GetValue(definition))!;
            var path = $"/v1/workspaces/{scope.GetWorkspace(arguments, context.Console)}/collections/{scope.GetCollection(arguments, context.Console)}/definitions/{slug}";
            using var api = context.Connect(arguments);
            var present = await api.SendAsync(HttpMethod.Get, path, cancellationToken: cancellationToken);
            if (present is not { IsSuccess: true, Json: JsonObject resource, ETag: { } etag }) throw ApiClient.Stopped(present, path);
            var spec = (JsonObject)resource["spec"]!.DeepClone();
            var chosen = (spec["audiences"] as JsonArray ?? []).OfType<JsonObject>().FirstOrDefault(one => HttpCall.Text(one["audience"]) == arguments.GetValue(audience))
                ?? throw new CommandStopped(ExitCode.Usage, $"{slug} has no audience {arguments.GetValue(audience)}.");
            if (!Flip(chosen, arguments.GetValue(to)!, arguments.GetValue(keep)!))
            {
                context.Say($"{arguments.GetValue(to)} is the default already.");
                return ExitCode.Done;
            }

            var put = await api.SendAsync(HttpMethod.Put, path, new JsonObject { ["spec"] = spec }, EntityTagHeaderValue.Parse(etag), cancellationToken: cancellationToken);
            if (!put.IsSuccess) throw ApiClient.Stopped(put, path);
            context.Print(arguments, chosen.DeepClone(), writer => writer.WriteLine($"{slug}: {arguments.GetValue(audience)} is {arguments.GetValue(to)} now"));
            return ExitCode.Done;
        });
        return command;
    }

    /// <returns>False where nothing is to be done.</returns>
    internal static bool Flip(JsonObject audience, string to, string keep)
    {
        var before = HttpCall.Text(audience["subject"]) ?? "lanyard";
        if (before == to) return false;
        var subjects = audience["subjects"] as JsonObject ?? [];
        if (!subjects.ContainsKey(to) && !SubjectTemplate.IsPreset(to))
            throw new CommandStopped(ExitCode.Usage, $"there is no subject {to}: add it under subjects first, or name a preset.");
        if (!subjects.ContainsKey(before))
        {
            var name = SubjectTemplate.IsPreset(before) ? before : keep;
            if (subjects.ContainsKey(name)) throw new CommandStopped(ExitCode.Usage, $"there is a subject {name}: give the old default another name with --keep-as.");
            subjects[name] = before;
        }

        audience["subjects"] = subjects.Parent is null ? subjects : subjects.DeepClone();
        audience["subject"] = to;
        return true;
    }
}
