using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.Clusters;

/// <summary><c>lanyard cluster register | approve CODE | list | push-keys | keys | approve-keys ID</c>.</summary>
internal static class ClusterCommand
{
    public static Command Create(CliContext context) => new("cluster", "Kubernetes clusters whose service accounts are believed.")
    {
        RegisterCommand.Create(context),
        ApproveCommand.Create(context),
        PushKeysCommand.Create(context),
        PushedKeys.List(context),
        PushedKeys.Approve(context),
        List(context),
    };

    private static Command List(CliContext context)
    {
        var scope = new ScopeOptions();
        var command = new Command("list", "List the registered clusters of a workspace.");
        scope.AddTo(command, withCollection: false);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            var clusters = await api.ListAsync($"/v1/workspaces/{scope.GetWorkspace(arguments, context.Console)}/clusters", cancellationToken);
            context.Print(arguments, new JsonArray([.. clusters.Select(cluster => cluster.DeepClone())]), writer => Printing.Table(
                writer, ["SLUG", "ID", "ISSUER", "KEYS", "SUBJECT", "VERSION", "UPDATED"], clusters.Select(Row)));
            return ExitCode.Done;
        });
        return command;
    }

    private static string?[] Row(JsonObject cluster)
    {
        var spec = cluster["spec"] as JsonObject;
        var runner = spec?["runner"] as JsonObject;
        return
        [
            HttpCall.Text(cluster["slug"]),
            HttpCall.Text(cluster["id"]),
            HttpCall.Text(spec?["issuer"]),
            (spec?["keys"] as JsonObject)?.ContainsKey("jwks") == true ? "uploaded" : "discovery",
            $"{HttpCall.Text(runner?["namespace"])}:{HttpCall.Text(runner?["serviceAccount"])}",
            HttpCall.Text(spec?["apiServerVersion"]),
            Printing.Moment(cluster["updatedAt"]),
        ];
    }
}
