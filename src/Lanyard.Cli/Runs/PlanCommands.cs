using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.Runs;

/// <summary><c>lanyard approve|discard RUN</c>: what a human says to a plan.</summary>
internal static class PlanCommands
{
    public static Command Approve(CliContext context) => Decide(context, "approve", "Have the plan of a run applied, exactly as it was made.");

    public static Command Discard(CliContext context) => Decide(context, "discard", "End a run without applying its plan.");

    /// <summary>In one line, for people; null where there is no plan.</summary>
    public static string? Summary(JsonNode run) => run["plan"] is JsonObject plan
        ? $"plan: {plan["add"]} to add, {plan["change"]} to change, {plan["destroy"]} to destroy" + (plan["drifted"]?.ToString() is { } drifted and not "0" ? $", {drifted} drifted" : "")
        : null;

    private static Command Decide(CliContext context, string word, string text)
    {
        var id = new Argument<string>("run") { Description = "run_…" };
        var scope = new ScopeOptions();
        var command = new Command(word, text) { id };
        scope.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var run = RunView.CheckedId(arguments.GetValue(id)!);
            using var api = context.Connect(arguments);
            var answer = await api.PostAsync($"{scope.RunsPath(arguments, context.Console)}/{run}/{word}", null, cancellationToken);
            context.Print(arguments, answer, writer => writer.WriteLine($"{run} {RunView.State(answer)}".TrimEnd()));
            return ExitCode.Done;
        });
        return command;
    }
}
