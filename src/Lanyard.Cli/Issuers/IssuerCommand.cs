using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.Issuers;

/// <summary><c>lanyard issuer show|rotate|export WORKSPACE</c>: what a relying party must be told, and a new signing key now.</summary>
internal static class IssuerCommand
{
    public static Command Create(CliContext context) => new("issuer", "The OIDC issuer of a workspace.")
    {
        Show(context),
        Rotate(context),
        IssuerExport.Create(context),
    };

    private static Command Show(CliContext context)
    {
        var workspace = new Argument<string>("workspace");
        var command = new Command("show", "Issuer URL, default audience and keys: what to enter at a cloud.") { workspace };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            var issuer = await api.GetAsync(PathOf(arguments.GetValue(workspace)!), cancellationToken);
            context.Print(arguments, issuer, writer => Write(writer, (JsonObject)issuer));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Rotate(CliContext context)
    {
        var workspace = new Argument<string?>("workspace") { Description = "without it: the instance's own issuer", Arity = ArgumentArity.ZeroOrOne };
        var now = new Option<bool>("--now") { Description = "activate at once: for a key that leaked; relying parties that keep old key sets refuse for a while" };
        var command = new Command("rotate", "Publish a new signing key, which takes over once it is known everywhere.") { workspace, now };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            var body = arguments.GetValue(now) ? new JsonObject { ["now"] = true } : [];
            var issuer = await api.PostAsync($"{PathOf(arguments.GetValue(workspace))}/rotate", body, cancellationToken);
            context.Print(arguments, issuer, writer => Write(writer, (JsonObject)issuer));
            return ExitCode.Done;
        });
        return command;
    }

    private static string PathOf(string? workspace) =>
        ScopeOptions.Checked("workspace", workspace) is { } slug ? $"/v1/workspaces/{slug}/issuer" : "/v1/issuer";

    private static void Write(TextWriter writer, JsonObject issuer)
    {
        writer.WriteLine($"issuer            {HttpCall.Text(issuer["issuer"])}");
        writer.WriteLine($"default audience  {HttpCall.Text(issuer["defaultAudience"])}");
        writer.WriteLine($"keys              {HttpCall.Text(issuer["jwksUri"])}");
        foreach (var warning in (issuer["warnings"] as JsonArray ?? []).Select(HttpCall.Text).OfType<string>())
        {
            writer.WriteLine(Printing.Plain($"! {warning}"));
        }

        if (issuer["keys"] is not JsonArray keys)
        {
            return;
        }

        writer.WriteLine();
        Printing.Table(writer, ["KEY", "ALGORITHM", "STATE", "SINCE"], keys.OfType<JsonObject>().Select(key => new[]
        {
            HttpCall.Text(key["kid"]), HttpCall.Text(key["alg"]), HttpCall.Text(key["state"]), Printing.Moment(key["createdAt"]),
        }));
    }
}
