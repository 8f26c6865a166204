using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.Revocations;

/// <summary><c>lanyard revoke principal|key|token VALUE</c>, <c>list</c>, <c>rm ID</c>: what is not taken any more although policies and issuers stand.</summary>
internal static class RevokeCommand
{
    private static readonly Option<string?> Workspace = new("--workspace", "-w") { Description = "in that workspace only; without it: everywhere" };

    public static Command Create(CliContext context) => new("revoke", "End what policies and issuers still allow: a principal, a key of an issuer, a token.")
    {
        Add(context, "principal", "NAME", "A principal, as explain and the audit log call it, such as policy:ci:acme."),
        Add(context, "key", "KID", "A key of an issuer, by its kid."),
        Add(context, "token", "SHA256", "One token, by the hash that the audit log has of it."),
        List(context),
        Remove(context),
    };

    private static Command Add(CliContext context, string kind, string what, string description)
    {
        var value = new Argument<string>(what.ToLowerInvariant());
        var reason = new Option<string?>("--reason") { Description = "for those who ask later" };
        var command = new Command(kind, description) { value, reason, Workspace };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var body = new JsonObject { ["kind"] = kind, ["value"] = arguments.GetValue(value) };
            if (arguments.GetValue(reason) is { } why) body["reason"] = why;
            using var api = context.Connect(arguments);
            var added = await api.PostAsync(PathOf(arguments), body, cancellationToken);
            context.Print(arguments, added, writer => writer.WriteLine(HttpCall.Text(added["id"])));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command List(CliContext context)
    {
        var command = new Command("list", "What is revoked.") { Workspace };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            var list = await api.GetAsync(PathOf(arguments), cancellationToken);
            context.Print(arguments, list, writer => Printing.Table(writer, ["ID", "KIND", "VALUE", "SINCE", "REASON"], (list["items"] as JsonArray ?? []).OfType<JsonObject>().Select(static one => new[]
            {
                HttpCall.Text(one["id"]), HttpCall.Text(one["kind"]), HttpCall.Text(one["value"]), Printing.Moment(one["createdAt"]), HttpCall.Text(one["reason"]),
            })));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Remove(CliContext context)
    {
        var id = new Argument<string>("id") { Description = "as list shows it" };
        var command = new Command("rm", "Take it back.") { id, Workspace };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            var path = $"{PathOf(arguments)}/{Uri.EscapeDataString(arguments.GetValue(id)!)}";
            var answer = await api.SendAsync(HttpMethod.Delete, path, cancellationToken: cancellationToken);
            if (!answer.IsSuccess) throw ApiClient.Stopped(answer, path);
            context.Say($"{arguments.GetValue(id)}: taken back");
            return ExitCode.Done;
        });
        return command;
    }

    private static string PathOf(ParseResult arguments) =>
        ScopeOptions.Checked("workspace", arguments.GetValue(Workspace)) is { } slug ? $"/v1/workspaces/{slug}/revocations" : "/v1/revocations";
}
