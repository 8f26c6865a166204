using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Cli.Resources;
using Lanyard.Identity.Trust;

namespace Lanyard.Cli.Lint;

/// <summary>
/// <c>lanyard lint FILE…</c>: every mistake of resource documents, and every warning of their trust policies, with line and column; no server is asked. A trusted
/// issuer in one of the files tells what the policies for it are about.
/// </summary>
internal static class LintCommand
{
    public static Command Create(CliContext context)
    {
        var files = new Argument<string[]>("file") { Description = "YAML (or JSON) documents; - is standard input", Arity = ArgumentArity.ZeroOrMore };
        var schema = new Option<bool>("--schema") { Description = "print a JSON Schema of trusted issuers and trust policies, for editors" };
        var command = new Command("lint", "Find mistakes and dangerous rules in documents, without a server. Exit code 1: warnings, 2: mistakes.") { files, schema };
        command.SetAction((arguments, cancellationToken) =>
        {
            if (arguments.GetValue(schema))
            {
                context.Console.Out.WriteLine(Printing.Json(TrustSchema.Create()));
                return Task.FromResult(ExitCode.Done);
            }

            return arguments.GetValue(files) is { Length: > 0 } given
                ? RunAsync(context, given, cancellationToken)
                : throw new CommandStopped(ExitCode.Usage, "lint what? Give files, or --schema.");
        });
        return command;
    }

    private static async Task<int> RunAsync(CliContext context, string[] files, CancellationToken cancellationToken)
    {
        var all = new List<(string File, ResourceDocument Document)>();
        var mistakes = 0;
        foreach (var file in files)
        {
            var (documents, wrong) = ResourceDocument.ReadAll(await ResourceFile.ReadTextAsync(file, context.Console, cancellationToken));
            all.AddRange(documents.Select(document => (file, document)));
            wrong.ForEach(mistake => context.Console.Out.WriteLine($"{ResourceFile.Name(file)}: {mistake}"));
            mistakes += wrong.Count;
        }

        var issuers = all.Where(static one => one.Document.Kind.Name == "TrustedIssuer").ToLookup(static one => (one.Document.Workspace, one.Document.Slug), static one => one.Document.Spec);
        var warnings = 0;
        foreach (var (file, document) in all.Where(static one => one.Document.Kind.Name == "TrustPolicy"))
        {
            using var json = JsonDocument.Parse(document.Spec.ToJsonString());
            var found = TrustPolicy.Parse(json.RootElement).Mistakes;
            foreach (var mistake in found) Say(context, file, document, mistake, "");
            mistakes += found.Count;
            if (found.Count > 0) continue;
            var doubts = PolicyLint.Warnings(json.RootElement, IssuerOf(document, issuers));
            foreach (var doubt in doubts) Say(context, file, document, doubt, " (warning)");
            warnings += doubts.Count;
        }

        context.Say($"{all.Count} {(all.Count == 1 ? "document" : "documents")}, {mistakes} mistakes, {warnings} warnings");
        return mistakes > 0 ? ExitCode.Usage : warnings > 0 ? ExitCode.No : ExitCode.Done;
    }

    private static string? IssuerOf(ResourceDocument policy, ILookup<(string? Workspace, string Slug), JsonObject> issuers) =>
        Connection.HttpCall.Text(policy.Spec["issuer"]) is { } slug
            ? issuers[(policy.Workspace, slug)].Concat(issuers[(null, slug)]).Select(static spec => Connection.HttpCall.Text(spec["issuer"])).FirstOrDefault()
            : null;

    private static void Say(CliContext context, string file, ResourceDocument document, PolicyMistake mistake, string kind)
    {
        var path = mistake.Path.Length == 0 ? "spec" : $"spec.{mistake.Path}";
        context.Console.Out.WriteLine(
            $"{ResourceFile.Name(file)}: line {document.Source.LineOf(path)}, column {document.Source.ColumnOf(path)}: {Printing.Plain(path)}: {Printing.Plain(mistake.Text)}{kind}");
    }
}
