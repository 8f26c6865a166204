using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.Machines;

/// <summary><c>lanyard cache list | show | rm | usage | quarantine | release | settings</c>: what the GitHub Actions cache of a workspace holds.</summary>
internal static class CacheCommand
{
    private static readonly string[] EntryColumns = ["id", "repository", "scope", "key", "state", "size", "usedAt"];
    private static readonly string[] UsageColumns = ["name", "entries", "bytes"];

    public static Command Create(CliContext context) => new("cache", "The GitHub Actions cache of a workspace.")
    {
        CreateList(context),
        CreateShow(context),
        CreateRemove(context),
        CreateUsage(context),
        CreateSelected(context, "quarantine", "Take all that a producer wrote out of service and keep the bytes."),
        CreateSelected(context, "release", "Give what was quarantined back."),
        CreateSettings(context),
    };

    private static Command CreateList(CliContext context)
    {
        var scope = new ScopeOptions();
        var filter = new Filter();
        var command = new Command("list", "List entries.") { filter.Repository, filter.Scope, filter.Key, filter.State };
        scope.AddTo(command, withCollection: false);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            var entries = await api.ListAsync($"{Home(scope, arguments, context)}/entries{filter.Query(arguments)}", cancellationToken);
            Table(context, arguments, entries, ["ID", "REPOSITORY", "SCOPE", "KEY", "STATE", "BYTES", "USED"], EntryColumns);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command CreateShow(CliContext context)
    {
        var id = new Argument<string>("entry") { Description = "its id" };
        var scope = new ScopeOptions();
        var command = new Command("show", "Show an entry: who wrote it, its digest, its state.") { id };
        scope.AddTo(command, withCollection: false);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            var entry = await api.GetAsync($"{Home(scope, arguments, context)}/entries/{Id(arguments.GetValue(id)!)}", cancellationToken);
            context.Print(arguments, entry, writer => writer.Write(Printing.Yaml(entry)));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command CreateRemove(CliContext context)
    {
        var ids = new Argument<string[]>("entry") { Description = "ids; or a producer's options instead", Arity = ArgumentArity.ZeroOrMore };
        var producer = new Producer();
        var scope = new ScopeOptions();
        var command = new Command("rm", "Delete entries, or all that a producer wrote.") { ids };
        producer.AddTo(command);
        scope.AddTo(command, withCollection: false);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var (wanted, body) = (arguments.GetValue(ids) ?? [], producer.Body(arguments));
            if ((wanted.Length == 0) == (body is null)) throw new CommandStopped(ExitCode.Usage, "give ids, or say whose entries.");
            using var api = context.Connect(arguments);
            var home = Home(scope, arguments, context);
            foreach (var path in wanted.Select(id => $"{home}/entries/{Id(id)}").ToArray())
            {
                ApiClient.Expect(await api.SendAsync(HttpMethod.Delete, path, cancellationToken: cancellationToken), path);
                context.Say($"{path}: deleted");
            }

            if (body is not null) Say(context, arguments, await api.PostAsync($"{home}/delete", body, cancellationToken));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command CreateUsage(CliContext context)
    {
        var by = new Option<string?>("--by") { Description = "repository (default), scope or key" };
        var repository = new Option<string?>("--repository") { Description = "owner/name: of one repository only" };
        var scope = new ScopeOptions();
        var command = new Command("usage", "How much is held, and by what: the largest first.") { by, repository };
        scope.AddTo(command, withCollection: false);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            var query = Query(("by", arguments.GetValue(by)), ("repository", arguments.GetValue(repository)));
            var usage = await api.GetAsync($"{Home(scope, arguments, context)}/usage{query}", cancellationToken);
            context.Print(arguments, usage, writer =>
            {
                writer.WriteLine($"{Printing.Cell(usage["bytes"])} bytes of {Printing.Cell(usage["quotaBytes"])}, {Printing.Cell(usage["entries"])} entries");
                if (usage["quarantinedEntries"]?.GetValue<long>() > 0)
                    writer.WriteLine($"{Printing.Cell(usage["quarantinedBytes"])} bytes of them, in {Printing.Cell(usage["quarantinedEntries"])} entries, are quarantined");
                Printing.Table(writer, [(arguments.GetValue(by) ?? "repository").ToUpperInvariant(), "ENTRIES", "BYTES"], Rows(usage["rows"]!.AsArray().OfType<JsonObject>(), UsageColumns));
            });
            return ExitCode.Done;
        });
        return command;
    }

    private static Command CreateSelected(CliContext context, string word, string description)
    {
        var producer = new Producer();
        var reason = new Option<string?>("--reason") { Description = "kept with the entries and in the audit log" };
        var scope = new ScopeOptions();
        var command = new Command(word, description) { reason };
        producer.AddTo(command);
        scope.AddTo(command, withCollection: false);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var body = producer.Body(arguments) ?? throw new CommandStopped(ExitCode.Usage, "say whose entries.");
            if (arguments.GetValue(reason) is { } text) body["reason"] = text;
            using var api = context.Connect(arguments);
            Say(context, arguments, await api.PostAsync($"{Home(scope, arguments, context)}/{word}", body, cancellationToken));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command CreateSettings(CliContext context)
    {
        var file = new Option<FileInfo?>("--file", "-f") { Description = "JSON file with the settings to set; without it they are shown" };
        var scope = new ScopeOptions();
        var command = new Command("settings", "Show or set quotas, limits and read rules.") { file };
        scope.AddTo(command, withCollection: false);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var wanted = arguments.GetValue(file) is { } from
                ? HttpCall.TryParse(await File.ReadAllTextAsync(from.FullName, cancellationToken)) ?? throw new CommandStopped(ExitCode.Usage, $"{Printing.Plain(from.Name)} is no JSON.")
                : null;
            using var api = context.Connect(arguments);
            var path = $"{Home(scope, arguments, context)}/settings";
            var present = await api.SendAsync(HttpMethod.Get, path, cancellationToken: cancellationToken);
            var settings = ApiClient.Expect(present, path);
            if (wanted is not null)
            {
                var match = present.ETag is { } etag ? System.Net.Http.Headers.EntityTagHeaderValue.Parse(etag) : null;
                settings = ApiClient.Expect(await api.SendAsync(HttpMethod.Put, path, wanted, match, match is null, cancellationToken), path);
            }

            context.Print(arguments, settings, writer => writer.Write(Printing.Yaml(settings)));
            return ExitCode.Done;
        });
        return command;
    }

    private static string Home(ScopeOptions scope, ParseResult arguments, CliContext context) =>
        $"/v1/workspaces/{scope.GetWorkspace(arguments, context.Console)}/cache";

    private static string Id(string text) => text.Length is > 0 and <= 19 && text.All(char.IsAsciiDigit)
        ? text
        : throw new CommandStopped(ExitCode.Usage, $"{Printing.Plain(text)} is no id of a cache entry.");

    private static void Say(CliContext context, ParseResult arguments, JsonNode changed) =>
        context.Print(arguments, changed, writer => writer.WriteLine($"{Printing.Cell(changed["entries"])} entries"));

    private static void Table(CliContext context, ParseResult arguments, List<JsonObject> items, string[] head, string[] columns) =>
        context.Print(arguments, new JsonArray([.. items.Select(static item => item.DeepClone())]), writer => Printing.Table(writer, head, Rows(items, columns)));

    private static IEnumerable<string?[]> Rows(IEnumerable<JsonObject> items, string[] columns) =>
        items.Select(item => columns.Select(name => name.EndsWith("At", StringComparison.Ordinal) ? Printing.Moment(item[name]) : Printing.Cell(item[name])).ToArray());

    private static string Query(params (string Name, string? Value)[] parts)
    {
        var present = parts.Where(static part => part.Value is not null).Select(static part => $"{part.Name}={Uri.EscapeDataString(part.Value!)}").ToArray();
        return present.Length == 0 ? "" : "?" + string.Join('&', present);
    }

    private sealed class Filter
    {
        public Option<string?> Repository { get; } = new("--repository") { Description = "owner/name" };

        public Option<string?> Scope { get; } = new("--scope") { Description = "full ref" };

        public Option<string?> Key { get; } = new("--key") { Description = "how the key begins" };

        public Option<string?> State { get; } = new("--state") { Description = "pending, ready, quarantined or damaged" };

        public string Query(ParseResult arguments) => CacheCommand.Query(
            ("repository", arguments.GetValue(Repository)), ("scope", arguments.GetValue(Scope)), ("key", arguments.GetValue(Key)), ("state", arguments.GetValue(State)));
    }

    private sealed class Producer
    {
        private readonly (string Name, Option<string?> Option)[] _members =
        [
            ("subject", new("--subject") { Description = "written by this machine (machine_…) or attempt (run_….n)" }),
            ("repository", new("--repository") { Description = "of this owner/name" }),
            ("ref", new("--ref") { Description = "written from this full ref" }),
            ("workflow", new("--workflow") { Description = "written by this workflow" }),
            ("actor", new("--actor") { Description = "written for this actor" }),
            ("tokenSha256", new("--token-sha256") { Description = "written with this token" }),
        ];

        public void AddTo(Command command)
        {
            foreach (var (_, option) in _members) command.Options.Add(option);
        }

        public JsonObject? Body(ParseResult arguments)
        {
            var producer = new JsonObject();
            foreach (var (name, option) in _members)
            {
                if (arguments.GetValue(option) is { } value) producer[name] = value;
            }

            return producer.Count == 0 ? null : new JsonObject { ["producer"] = producer };
        }
    }
}
