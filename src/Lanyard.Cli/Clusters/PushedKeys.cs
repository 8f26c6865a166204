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
        var key = new Option<string[]>("--key") { Description = "RFC 7638 thumbprint of a key that waits, as `cluster keys` shows it; all of them, each with its own --key (default: you are shown them and asked)" };
        var yes = new Option<bool>("--yes", "-y") { Description = "approve what waits without asking" };
        var command = new Command("approve-keys", "Trust pushed keys whose possession was proven: those that are named or shown, and no others that were pushed meanwhile.") { id, key, yes };
        scope.AddTo(command, withCollection: false);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            var path = $"/v1/workspaces/{scope.GetWorkspace(arguments, context.Console)}/pushed-keys";
            var record = arguments.GetValue(id)!;
            var seen = arguments.GetValue(key) is { Length: > 0 } named ? named : await LookAsync(context, api, path, record, cancellationToken);
            if (arguments.GetValue(key) is null or { Length: 0 } && !IsApproved(context, arguments.GetValue(yes)))
            {
                context.Say("Nothing was approved.");
                return ExitCode.No;
            }

            var body = new JsonObject { ["thumbprints"] = new JsonArray([.. seen.Select(static one => JsonValue.Create(one))]) };
            var keys = await api.PostAsync($"{path}/{Uri.EscapeDataString(record)}/approve", body, cancellationToken);
            context.Print(arguments, keys, writer => Printing.Table(writer, ["ID", "NAME", "TRUSTED", "PENDING", "STATE"], [Row((JsonObject)keys)]));
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>Shows what waits; what is approved then is that.</summary>
    private static async Task<IReadOnlyList<string>> LookAsync(CliContext context, ApiClient api, string path, string record, CancellationToken cancellationToken)
    {
        var items = ((await api.GetAsync(path, cancellationToken))["items"] as JsonArray ?? []).OfType<JsonObject>();
        if (items.FirstOrDefault(item => HttpCall.Text(item["record"]) == record) is not { } keys)
        {
            throw new CommandStopped(ExitCode.Refused, $"{Printing.Plain(record)}: no cluster of that id pushes its keys; see `lanyard cluster keys`.");
        }

        string[] thumbprints = [.. (keys["pendingThumbprints"] as JsonArray ?? []).Select(HttpCall.Text).OfType<string>()];
        context.Say($"{Printing.Plain(HttpCall.Text(keys["slug"]) ?? "")} would trust:");
        foreach (var (thumbprint, name) in thumbprints.Zip(keys["pending"] as JsonArray ?? []))
        {
            context.Say($"  {Printing.Plain(thumbprint)}  {Printing.Plain(HttpCall.Text(name) ?? "")}");
        }

        return thumbprints;
    }

    private static bool IsApproved(CliContext context, bool yes)
    {
        if (!yes && !context.Console.Interactive)
        {
            throw new CommandStopped(ExitCode.Usage, "Nobody can be asked here: name each key with --key, or add --yes.");
        }

        return new Questions(context.Console, yes).Confirm("Approve these keys?", proposal: yes);
    }

    private static string?[] Row(JsonObject keys) =>
    [
        HttpCall.Text(keys["record"]),
        HttpCall.Text(keys["slug"]),
        Words(keys["keys"]),
        Words(keys["pendingThumbprints"]),
        StateOf(keys),
    ];

    private static string StateOf(JsonObject keys) =>
        keys["pending"] is JsonArray { Count: > 0 } ? keys["isProven"]?.GetValue<bool>() == true ? "awaiting approval" : "unproven"
        : HttpCall.Text(keys["staleSince"]) is { } since ? $"stale since {since}" : "settled";

    private static string Words(JsonNode? list) => string.Join(' ', (list as JsonArray ?? []).Select(HttpCall.Text));
}
