using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Cli.Resources;
using Lanyard.Identity.Presets;
using Lanyard.Identity.Trust;

namespace Lanyard.Cli.Lint;

/// <summary><c>lanyard preset list|show|policy</c>: what is known of other issuers, and documents that trust one of their owners.</summary>
internal static class PresetCommand
{
    public static Command Create(CliContext context) => new("preset", "What is known of GitHub, GitLab and other issuers; no server is asked.")
    {
        List(context),
        Show(context),
        Policy(context),
    };

    private static Command List(CliContext context)
    {
        var command = new Command("list", "The kinds of issuers that are known.");
        command.SetAction(arguments =>
        {
            var list = new JsonArray([.. IssuerPresets.All.Select(static preset => new JsonObject
            {
                ["name"] = preset.Name, ["title"] = preset.Title, ["issuer"] = preset.Issuers[0], ["tenant"] = preset.Tenant, ["facts"] = new JsonArray([.. preset.Facts.Keys.Select(static fact => JsonValue.Create(fact))]),
            })]);
            context.Print(arguments, list, static writer => Printing.Table(
                writer, ["PRESET", "FOR", "ISSUER", "TENANT"], IssuerPresets.All.Select(static preset => new[] { preset.Name, preset.Title, preset.Issuers[0], preset.Tenant })));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Show(CliContext context)
    {
        var name = new Argument<string>("preset");
        var command = new Command("show", "Every claim of its tokens: what it means, and whether another owner can come to have it.") { name };
        command.SetAction(arguments =>
        {
            context.Console.Out.Write(IssuerPresets.TextOf(Find(arguments.GetValue(name)!).Name));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Policy(CliContext context)
    {
        var name = new Argument<string>("preset");
        var slug = new Option<string?>("--slug") { Description = "of both documents (default: the preset's name)" };
        var issuer = new Option<string?>("--issuer") { Description = "exactly as in iss (default: the preset's, where it has one)" };
        var workspace = new Option<string?>("--workspace", "-w") { Description = "where both documents live; without it: in the instance" };
        var collection = new Option<string?>("--collection", "-c") { Description = "where the policy's roles count" };
        var facts = new Option<string[]>("--set") { Description = "WORD=VALUE: what is asked for, such as tenant_id=9919; may be repeated", Required = true, Arity = ArgumentArity.OneOrMore };
        var role = new Option<string>("--role") { DefaultValueFactory = static _ => "viewer" };
        var command = new Command("policy", "Print a trusted issuer and a trust policy for it, to be applied.") { name, slug, issuer, workspace, collection, facts, role };
        command.SetAction(arguments =>
        {
            var preset = Find(arguments.GetValue(name)!);
            var iss = arguments.GetValue(issuer) ?? (preset.Issuers[0].Contains('{', StringComparison.Ordinal)
                ? throw new CommandStopped(ExitCode.Usage, $"--issuer is needed: {string.Join(", ", preset.Issuers)}")
                : preset.Issuers[0]);
            if (!preset.Knows(iss)) throw new CommandStopped(ExitCode.Usage, $"{iss} is no issuer of {preset.Title}: {string.Join(", ", preset.Issuers)}");
            var called = ScopeOptions.Checked("slug", arguments.GetValue(slug) ?? preset.Name)!;
            var spec = new JsonObject
            {
                ["issuer"] = called,
                ["preset"] = preset.Name,
                ["identity"] = Identity(arguments.GetValue(facts)!),
                ["allow"] = new JsonObject { ["roles"] = new JsonArray(arguments.GetValue(role)) },
            };
            Check(spec);
            var (home, place) = (ScopeOptions.Checked("workspace", arguments.GetValue(workspace)), ScopeOptions.Checked("collection", arguments.GetValue(collection)));
            context.Console.Out.Write(Printing.Yaml(Document("TrustedIssuer", home, null, called, new JsonObject { ["issuer"] = iss, ["keys"] = new JsonObject { ["discovery"] = new JsonObject() } })));
            context.Console.Out.WriteLine("---");
            context.Console.Out.Write(Printing.Yaml(Document("TrustPolicy", home, place, called, spec)));
            return ExitCode.Done;
        });
        return command;
    }

    private static JsonObject Identity(string[] facts)
    {
        var identity = new JsonObject();
        foreach (var fact in facts)
        {
            var equals = fact.IndexOf('=', StringComparison.Ordinal);
            if (equals < 1 || !identity.TryAdd(fact[..equals], fact[(equals + 1)..])) throw new CommandStopped(ExitCode.Usage, $"--set: WORD=VALUE, each word once, and not {fact}");
        }

        return identity;
    }

    private static void Check(JsonObject spec)
    {
        using var json = JsonDocument.Parse(spec.ToJsonString());
        if (TrustPolicy.Parse(json.RootElement).Mistakes is { Count: > 0 } mistakes)
            throw new CommandStopped(ExitCode.Usage, string.Join('\n', mistakes.Select(static mistake => $"{mistake.Path}: {mistake.Text}")));
    }

    private static JsonObject Document(string kind, string? workspace, string? collection, string slug, JsonObject spec)
    {
        var metadata = new JsonObject();
        if (workspace is not null) metadata["workspace"] = workspace;
        if (collection is not null) metadata["collection"] = collection;
        metadata["slug"] = slug;
        return new JsonObject { ["kind"] = kind, ["metadata"] = metadata, ["spec"] = spec };
    }

    private static IssuerPreset Find(string name) => IssuerPresets.Find(name)
        ?? throw new CommandStopped(ExitCode.Usage, $"{Printing.Plain(name)} is none of {string.Join(", ", IssuerPresets.All.Select(static preset => preset.Name))}");
}
