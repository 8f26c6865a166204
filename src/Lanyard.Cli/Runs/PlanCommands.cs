using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.Runs;

/// <summary><c>lanyard approve|discard RUN</c>: what a human says to a plan. <c>lanyard state ls|unlock</c>: the states of a collection.</summary>
internal static class PlanCommands
{
    public static Command Approve(CliContext context) => Decide(context, "approve", "Have the plan of a run applied, exactly as it was made.");

    public static Command Discard(CliContext context) => Decide(context, "discard", "End a run without applying its plan.");

    public static Command State(CliContext context) => new("state", "States of infrastructure.") { List(context), Unlock(context) };

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

    private static Command List(CliContext context)
    {
        var scope = new ScopeOptions();
        var command = new Command("ls", "List the states of a collection, and who has them locked.");
        scope.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            var states = await api.GetAsync(Path(scope, arguments, context), cancellationToken);
            context.Print(arguments, states, writer => Printing.Table(
                writer,
                ["STATE", "VERSION", "BYTES", "UPDATED", "RUN", "LOCK", "OF"],
                (states["items"] as JsonArray ?? []).OfType<JsonObject>().Select(state => new[]
                {
                    HttpCall.Text(state["name"]), state["version"]?.ToString(), state["bytes"]?.ToString(), HttpCall.Text(state["updatedAt"]), HttpCall.Text(state["run"]),
                    HttpCall.Text(state["lock"]?["id"]), HttpCall.Text(state["lock"]?["run"]),
                })));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Unlock(CliContext context)
    {
        var name = new Argument<string>("state") { Description = "its slug" };
        var id = new Argument<string>("lock") { Description = "as lanyard state ls shows it" };
        var scope = new ScopeOptions();
        var command = new Command("unlock", "Take a lock away that an apply has left behind; look first how far it came.") { name, id };
        scope.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var state = ScopeOptions.Checked("state", arguments.GetValue(name))!;
            using var api = context.Connect(arguments);
            ApiClient.Expect(
                await api.SendAsync(HttpMethod.Delete, $"{Path(scope, arguments, context)}/{state}/locks/{Uri.EscapeDataString(arguments.GetValue(id)!)}", cancellationToken: cancellationToken), state);
            context.Say($"{state} unlocked");
            return ExitCode.Done;
        });
        return command;
    }

    private static string Path(ScopeOptions scope, ParseResult arguments, CliContext context) =>
        $"/v1/workspaces/{scope.GetWorkspace(arguments, context.Console)}/collections/{scope.GetCollection(arguments, context.Console)}/states";
}
