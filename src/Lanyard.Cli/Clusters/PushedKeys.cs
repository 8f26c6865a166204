using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.Clusters;

/// <summary><c>lanyard cluster keys</c> and <c>lanyard cluster approve-keys ID</c>: what clusters pushed, and an admin's yes where it is wanted.</summary>
internal static class PushedKeys
{
    public static Command List(CliContext context)
    {
        var scope = new ScopeOptions();
        var command = new Command("keys", "List the keys of clusters that push them.");
        scope.AddTo(command, withCollection: false);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            var answer = await api.GetAsync($"/v1/workspaces/{scope.GetWorkspace(arguments, context.Console)}/pushed-keys", cancellationToken);
            var items = (answer["items"] as JsonArray ?? []).OfType<JsonObject>();
            context.Print(arguments, answer, writer => Printing.Table(writer, ["ID", "NAME", "TRUSTED", "PENDING", "STATE"], items.Select(Row)));
            return ExitCode.Done;
        });
        return command;
    }

    public static Command Approve(CliContext context)
    {
        var id = new Argument<string>("id") { Description = "of the cluster, as `cluster keys` shows it" };
        var scope = new ScopeOptions();
        var command = new Command("approve-keys", "Trust pushed keys whose possession was proven.") { id };
        scope.AddTo(command, withCollection: false);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            var path = $"/v1/workspaces/{scope.GetWorkspace(arguments, context.Console)}/pushed-keys/{Uri.EscapeDataString(arguments.GetValue(id)!)}/approve";
            var keys = await api.PostAsync(path, new JsonObject(), cancellationToken);
            context.Print(arguments, keys, writer => Printing.Table(writer, ["ID", "NAME", "TRUSTED", "PENDING", "STATE"], [Row((JsonObject)keys)]));
            return ExitCode.Done;
        });
        return command;
    }

    private static string?[] Row(JsonObject keys) =>
    [
        HttpCall.Text(keys["record"]),
        HttpCall.Text(keys["slug"]),
        Words(keys["keys"]),
        Words(keys["pending"]),
        StateOf(keys),
    ];

    private static string StateOf(JsonObject keys) =>
        keys["pending"] is JsonArray { Count: > 0 } ? keys["isProven"]?.GetValue<bool>() == true ? "awaiting approval" : "unproven"
        : HttpCall.Text(keys["staleSince"]) is { } since ? $"stale since {since}" : "settled";

    private static string Words(JsonNode? list) => string.Join(' ', (list as JsonArray ?? []).Select(HttpCall.Text));
}
