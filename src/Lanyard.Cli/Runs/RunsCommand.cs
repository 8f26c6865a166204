using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.Runs;

/// <summary><c>lanyard runs [RUN]</c>: lists the runs of a collection, newest first, or shows one with its attempts and steps.</summary>
internal static class RunsCommand
{
    public static Command Create(CliContext context)
    {
        var id = new Argument<string?>("run") { Description = "run_…; without it they are listed", Arity = ArgumentArity.ZeroOrOne };
        var limit = new Option<int>("--limit") { Description = "at most so many", DefaultValueFactory = _ => 50 };
        var state = new Option<string?>("--state") { Description = "only those in this state: queued, running, succeeded, failed, canceled or timed_out" };
        var scope = new ScopeOptions();
        var command = new Command("runs", "List runs, or show one.") { id, limit, state };
        scope.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var path = scope.RunsPath(arguments, context.Console);
            using var api = context.Connect(arguments);
            if (arguments.GetValue(id) is { } one)
            {
                var run = await api.GetAsync($"{path}/{RunView.CheckedId(one)}", cancellationToken);
                context.Print(arguments, run, writer => WriteOne(writer, run));
                return ExitCode.Done;
            }

            var most = Math.Max(1, arguments.GetValue(limit));
            var filter = arguments.GetValue(state) is { } only ? $"?state={Uri.EscapeDataString(only)}" : "";
            var found = await api.ListAsync(path + filter, cancellationToken, most + 1);
            var runs = found.Take(most).ToList();
            context.Print(arguments, new JsonArray([.. runs.Select(run => run.DeepClone())]), writer => WriteAll(writer, runs));
            if (found.Count > most)
            {
                context.Say($"These are the newest {most}; there are more: --limit, --state.");
            }

            return ExitCode.Done;
        });
        return command;
    }

    private static void WriteAll(TextWriter writer, List<JsonObject> runs) => Printing.Table(
        writer,
        ["RUN", "STATE", "DEFINITION", "PHASE", "CREATED"],
        runs.Select(run => new[]
        {
            HttpCall.Text(run["id"]), RunView.State(run), HttpCall.Text(run["definition"]), HttpCall.Text(run["phase"]), Printing.Moment(run["createdAt"]),
        }));

    private static void WriteOne(TextWriter writer, JsonNode run)
    {
        WriteAll(writer, [(JsonObject)run]);
        if (PlanCommands.Summary(run) is { } plan)
        {
            writer.WriteLine(plan + (HttpCall.Text(run["waitingFor"]) is not null ? ": waits for lanyard approve or lanyard discard" : ""));
        }

        foreach (var attempt in (run["attempts"] as JsonArray ?? []).OfType<JsonObject>())
        {
            writer.WriteLine();
            writer.WriteLine($"attempt {attempt["attempt"] ?? attempt["number"]}  {HttpCall.Text(attempt["state"])}  runner {HttpCall.Text(attempt["runner"])}  {HttpCall.Text(attempt["outcome"])}");
            Printing.Table(writer, ["  STEP", "STATE", "EXIT"], (attempt["steps"] as JsonArray ?? []).OfType<JsonObject>().Select(step => new[]
            {
                "  " + (HttpCall.Text(step["name"]) ?? step["index"]?.ToString()), HttpCall.Text(step["state"]), Number(step["exitCode"]),
            }));
        }
    }

    private static string? Number(JsonNode? node) =>
        node is JsonValue value && value.TryGetValue<long>(out var number) ? number.ToString(CultureInfo.InvariantCulture) : null;
}
