using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.Runs;

/// <summary><c>lanyard why RUN</c>: why it is where it is, and what keeps each runner from taking it.</summary>
internal static class WhyCommand
{
    public static Command Create(CliContext context)
    {
        var id = new Argument<string>("run") { Description = "run_…" };
        var scope = new ScopeOptions();
        var command = new Command("why", "Say why a run waits, or how it ended.") { id };
        scope.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var path = $"{scope.RunsPath(arguments, context.Console)}/{RunView.CheckedId(arguments.GetValue(id)!)}/why";
            using var api = context.Connect(arguments);
            var why = await api.GetAsync(path, cancellationToken);
            context.Print(arguments, why, writer => Write(writer, why));
            return ExitCode.Done;
        });
        return command;
    }

    private static void Write(TextWriter writer, JsonNode why)
    {
        writer.WriteLine(Printing.Plain($"{HttpCall.Text(why["run"])} {HttpCall.Text(why["state"])}: {HttpCall.Text(why["summary"])}"));
        foreach (var reason in (why["reasons"] as JsonArray ?? []).OfType<JsonObject>())
        {
            writer.WriteLine(Printing.Plain($"  {HttpCall.Text(reason["code"])}: {HttpCall.Text(reason["text"])}"));
        }
    }
}
