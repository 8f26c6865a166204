using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.Runners;

/// <summary><c>lanyard runner requests</c> and <c>lanyard runner approve FINGERPRINT</c>: letting hosts with a key of their own in.</summary>
internal static class RunnerCommand
{
    public static Command Create(CliContext context)
    {
        var command = new Command(
            "runner",
            "Take runs and execute them (lanyard runner --help); or admit hosts that ask to: requests, approve; or say what a runner is offered: pause, resume, cordon, drain.")
        {
            Requests(context),
            Approve(context),
        };
        foreach (var word in StateCommand.OfRunners(context))
        {
            command.Subcommands.Add(word);
        }

        return command;
    }

    private static Command Requests(CliContext context)
    {
        var command = new Command("requests", "List the hosts that wait for approval.");
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            var requests = await api.ListAsync("/v1/runner-requests", cancellationToken);
            context.Print(arguments, new JsonArray([.. requests.Select(request => request.DeepClone())]), writer => Printing.Table(
                writer,
                ["FINGERPRINT", "NAME", "HOST", "STATE", "EXPIRES"],
                requests.Select(request => (string?[])
                [
                    HttpCall.Text(request["fingerprint"]), HttpCall.Text(request["name"]), HttpCall.Text(request["hostname"]), HttpCall.Text(request["state"]), Printing.Moment(request["expiresAt"]),
                ])));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Approve(CliContext context)
    {
        var fingerprint = new Argument<string>("fingerprint") { Description = "as the host printed it" };
        var name = new Option<string?>("--name") { Description = "slug of the runner; default: what the host asked for" };
        var collections = new Option<string[]>("--collection") { Description = "workspace/collection that it serves; may be repeated", Required = true };
        var labels = new Option<string[]>("--label") { Description = "a label; may be repeated" };
        var ephemeral = new Option<bool>("--ephemeral") { Description = "it is given one run, and then deleted" };
        var shared = new Option<bool>("--shared") { Description = "of the instance, even though all collections are of one workspace" };
        var command = new Command("approve", "Make a waiting host a runner.") { fingerprint, name, collections, labels, shared, ephemeral };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var body = new JsonObject { ["collections"] = new JsonArray([.. arguments.GetValue(collections)!.Select(Collection)]) };
            if (ScopeOptions.Checked("runner", arguments.GetValue(name)) is { } slug)
            {
                body["name"] = slug;
            }

            if (arguments.GetValue(labels) is { Length: > 0 } given)
            {
                body["labels"] = new JsonArray([.. given.Select(label => JsonValue.Create(label))]);
            }

            if (arguments.GetValue(shared))
            {
                body["shared"] = true;
            }

            if (arguments.GetValue(ephemeral))
            {
                body["ephemeral"] = true;
            }

            using var api = context.Connect(arguments);
            var runner = await api.PostAsync($"/v1/runner-requests/{Thumbprint(arguments.GetValue(fingerprint)!)}/approve", body, cancellationToken);
            context.Print(arguments, runner, writer => writer.WriteLine($"{HttpCall.Text(runner["slug"])} {HttpCall.Text(runner["id"])}".Trim()));
            return ExitCode.Done;
        });
        return command;
    }

    private static JsonNode Collection(string given)
    {
        var parts = given.Split('/');
        return parts.Length == 2 && parts.All(Slug.IsValid)
            ? JsonValue.Create(given)
            : throw new CommandStopped(ExitCode.Usage, $"--collection {Printing.Plain(given)}: workspace/collection is wanted.");
    }

    /// <summary>An RFC 7638 SHA-256 thumbprint in base64url, which is what goes into the path.</summary>
    private static string Thumbprint(string given) =>
        given.Length == 43 && given.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_')
            ? given
            : throw new CommandStopped(ExitCode.Usage, $"{Printing.Plain(given)} is no fingerprint: 43 characters of base64url, as the host printed it.");
}
