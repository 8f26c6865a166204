using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.Clusters;

/// <summary>
/// <c>lanyard cluster approve CODE</c>: shows what somebody who administers only the cluster asks to register, and registers it.
/// </summary>
internal static class ApproveCommand
{
    public static Command Create(CliContext context)
    {
        var code = new Argument<string>("code") { Description = "as register.sh printed it, such as K7QF-2M9D" };
        var slug = new Option<string>("--slug") { Description = "name of the cluster here", Required = true };
        var yes = new Option<bool>("--yes", "-y") { Description = "approve without asking" };
        var runner = new RunnerOptions();
        var scope = new ScopeOptions();
        var command = new Command("approve", "Register the cluster that a code stands for.") { code, slug, yes };
        scope.AddTo(command, withCollection: false);
        runner.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var workspace = scope.GetWorkspace(arguments, context.Console);
            var name = ScopeOptions.Checked("cluster", arguments.GetValue(slug))!;
            var wanted = runner.Read(arguments, workspace);
            using var api = context.Connect(arguments);
            var path = $"/v1/workspaces/{workspace}/cluster-requests/{Code(arguments.GetValue(code)!)}";
            var request = (JsonObject)await api.GetAsync(path, cancellationToken);
            Show(context, request);
            if (!arguments.GetValue(yes) && !context.Console.Interactive)
            {
                throw new CommandStopped(ExitCode.Usage, "Nobody can be asked here: add --yes to approve.");
            }

            if (!new Questions(context.Console, arguments.GetValue(yes)).Confirm($"Register it as {workspace}/{name}?", proposal: arguments.GetValue(yes)))
            {
                context.Say("Nothing was registered.");
                return ExitCode.No;
            }

            var cluster = (JsonObject)await api.PostAsync($"{path}/approve", new JsonObject { ["slug"] = name }, cancellationToken);
            await RunnerOptions.CreateAsync(api, wanted, cluster, context, cancellationToken);
            context.Print(arguments, cluster, writer => writer.WriteLine($"{name} {HttpCall.Text(cluster["id"])}"));
            return ExitCode.Done;
        });
        return command;
    }

    private static void Show(CliContext context, JsonObject request)
    {
        var spec = request["spec"] as JsonObject;
        var runner = spec?["runner"] as JsonObject;
        context.Say($"issuer   {Printing.Plain(HttpCall.Text(spec?["issuer"]) ?? "")}");
        context.Say($"subject  system:serviceaccount:{Printing.Plain(HttpCall.Text(runner?["namespace"]) ?? "")}:{Printing.Plain(HttpCall.Text(runner?["serviceAccount"]) ?? "")}");
        context.Say($"asked    {HttpCall.Text(request["createdAt"])}");
        if (TrialView.Find(request["report"]) is { } report)
        {
            TrialView.Write(context.Console.Error, report);
        }
    }

    /// <summary>As people type it: any case, with or without the dash.</summary>
    private static string Code(string typed)
    {
        var plain = typed.Replace("-", "", StringComparison.Ordinal).Trim().ToUpperInvariant();
        return plain.Length == 8 && plain.All(char.IsAsciiLetterOrDigit)
            ? $"{plain[..4]}-{plain[4..]}"
            : throw new CommandStopped(ExitCode.Usage, $"{Printing.Plain(typed)} is no code: eight letters and digits, such as K7QF-2M9D.");
    }
}
