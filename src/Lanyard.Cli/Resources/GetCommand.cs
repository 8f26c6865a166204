using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Resources;

/// <summary><c>lanyard get KIND [NAME]</c>. As YAML, a resource reads back into <c>apply</c>.</summary>
internal static class GetCommand
{
    public static Command Create(CliContext context)
    {
        var kind = ResourceKind.Argument();
        var name = new Argument<string?>("name") { Description = "slug; without it all are listed", Arity = ArgumentArity.ZeroOrOne };
        var scope = new ScopeOptions();
        var command = new Command("get", "Show one resource, or list them.") { kind, name };
        scope.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var path = ResourcePath.Of(arguments.GetValue(kind)!, arguments, scope, context.Console, out var found);
            using var api = context.Connect(arguments);
            if (ScopeOptions.Checked(found.Name, arguments.GetValue(name)) is { } slug)
            {
                var target = $"{path}/{slug}";
                var resource = ApiClient.Expect(await api.SendAsync(HttpMethod.Get, target, cancellationToken: cancellationToken), ResourcePath.TitleOf(found, target));
                PrintOne(context, arguments, (JsonObject)resource);
            }
            else
            {
                PrintAll(context, arguments, await api.ListAsync(path, cancellationToken));
            }

            return ExitCode.Done;
        });
        return command;
    }

    private static void PrintOne(CliContext context, ParseResult arguments, JsonObject resource)
    {
        if (context.Format(arguments) == OutputFormat.Yaml)
        {
            context.Console.Out.Write(Printing.Yaml(AsDocument(resource)));
            return;
        }

        context.Print(arguments, resource, writer => WriteTable(writer, [resource]));
        SayWarnings(context, resource);
    }

    private static void PrintAll(CliContext context, ParseResult arguments, List<JsonObject> resources)
    {
        switch (context.Format(arguments))
        {
            case OutputFormat.Yaml:
                context.Console.Out.Write(string.Join("---\n", resources.Select(resource => Printing.Yaml(AsDocument(resource)))));
                break;
            case OutputFormat.Json:
                context.Console.Out.WriteLine(Printing.Json(new JsonArray([.. resources.Select(resource => resource.DeepClone())])));
                break;
            default:
                WriteTable(context.Console.Out, resources);
                resources.ForEach(resource => SayWarnings(context, resource));
                break;
        }
    }

    /// <summary>What the server says is wrong with it, such as that it can't be read.</summary>
    private static void SayWarnings(CliContext context, JsonObject resource)
    {
        foreach (var warning in (resource["warnings"] as JsonArray ?? []).OfType<JsonObject>())
            context.Say($"! {HttpCall.Text(resource["slug"])}: {Printing.Plain($"{HttpCall.Text(warning["path"])}: {HttpCall.Text(warning["text"])}")}");
    }

    private static JsonObject AsDocument(JsonObject resource)
    {
        var metadata = new JsonObject();
        foreach (var name in (string[])["workspace", "collection", "slug"])
        {
            if (resource[name] is { } value)
            {
                metadata[name] = value.DeepClone();
            }
        }

        return new JsonObject { ["kind"] = resource["kind"]?.DeepClone(), ["metadata"] = metadata, ["spec"] = resource["spec"]?.DeepClone() ?? new JsonObject() };
    }

    /// <summary>A workspace is in no workspace: a column that would be empty in every row is left out.</summary>
    private static void WriteTable(TextWriter writer, List<JsonObject> resources)
    {
        (string Head, string Member)[] columns = [("SLUG", "slug"), ("ID", "id"), ("WORKSPACE", "workspace"), ("COLLECTION", "collection")];
        var shown = columns.Where(column => resources.Count == 0 || resources.Exists(resource => HttpCall.Text(resource[column.Member]) is not null)).ToArray();
        Printing.Table(
            writer,
            [.. shown.Select(static column => column.Head), "UPDATED"],
            resources.Select(resource => (string?[])[.. shown.Select(column => HttpCall.Text(resource[column.Member])), Printing.Moment(resource["updatedAt"])]));
    }
}

/// <summary>The path that a typed kind and a scope name together.</summary>
internal static class ResourcePath
{
    /// <summary>For people: <c>Definition acme/infra/plan</c>, of <c>/v1/workspaces/acme/collections/infra/definitions/plan</c>.</summary>
    public static string TitleOf(ResourceKind kind, string path) => $"{kind.Name} {string.Join('/', path.Split('/').Skip(3).Where(static (_, index) => index % 2 == 0))}";

    public static string Of(string typed, ParseResult arguments, ScopeOptions scope, CliConsole console, out ResourceKind kind)
    {
        kind = ResourceKind.FindTyped(typed)
            ?? throw new CommandStopped(ExitCode.Usage, $"{Printing.Plain(typed)} is no kind: {string.Join(", ", ResourceKind.All.Select(known => known.Segment))}.");
        var workspace = kind.Scopes == ResourceScopes.Instance ? null : scope.FindWorkspace(arguments, console);
        // A collection from the environment is no reason to look for a cluster inside it.
        var collection = kind.Scopes.HasFlag(ResourceScopes.Collection) ? scope.FindCollection(arguments, console) : arguments.GetValue(scope.Collection);
        return kind.PathOf(workspace, collection, out var mistake) ?? throw new CommandStopped(ExitCode.Usage, $"{mistake}: give --workspace and --collection accordingly.");
    }
}
