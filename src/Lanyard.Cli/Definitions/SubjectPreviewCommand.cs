using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.Definitions;

/// <summary><c>lanyard subject preview DEFINITION</c>: what the subjects look like, which cloud would refuse them, and when each was used last.</summary>
internal static class SubjectPreviewCommand
{
    public static Command Create(CliContext context)
    {
        var definition = new Argument<string>("definition");
        var said = new SubjectValues();
        var scope = new ScopeOptions();
        var command = new Command("preview", "Show the subjects of a definition's tokens; exit code 1 if a cloud would refuse one.") { definition };
        said.AddTo(command);
        scope.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            var list = await api.GetAsync(said.Path(arguments, context.Console, scope, arguments.GetValue(definition)), cancellationToken);
            var items = (list["items"] as JsonArray ?? []).OfType<JsonObject>().ToList();
            context.Print(arguments, list, writer => Write(writer, HttpCall.Text(list["issuer"]), items));
            return items.TrueForAll(static item => item["problems"] is not JsonArray { Count: > 0 }) ? ExitCode.Done : ExitCode.No;
        });
        return command;
    }

    /// <summary>Problems of a subject, as <c>AWS takes …</c>.</summary>
    public static IEnumerable<string> ProblemsOf(JsonObject item) => (item["problems"] as JsonArray ?? []).OfType<JsonObject>()
        .Select(static problem => $"{HttpCall.Text(problem["cloud"])} {HttpCall.Text(problem["text"])}");

    private static void Write(TextWriter writer, string? issuer, List<JsonObject> items)
    {
        writer.WriteLine($"issuer  {Printing.Plain(issuer ?? "")}");
        writer.WriteLine();
        Printing.Table(writer, ["AUDIENCE", "TEMPLATE", "SUBJECT", "TOKENS", "LAST USED"], items.Select(static item => new[]
        {
            HttpCall.Text(item["audience"]),
            HttpCall.Text(item["name"]) + ((bool?)item["isDefault"] == true ? " (default)" : ""),
            HttpCall.Text(item["example"]) ?? "-",
            ((long?)item["tokens"] ?? 0).ToString(System.Globalization.CultureInfo.InvariantCulture),
            Printing.Moment(item["lastUsedAt"]) ?? "never",
        }));
        foreach (var item in items)
        {
            foreach (var condition in item["conditions"] as JsonArray ?? [])
                writer.WriteLine(Printing.Plain($"{HttpCall.Text(item["audience"])}, {HttpCall.Text(item["name"])}: only where {HttpCall.Text(condition)}"));
            foreach (var problem in ProblemsOf(item)) writer.WriteLine($"! {Printing.Plain($"{HttpCall.Text(item["audience"])}, {HttpCall.Text(item["name"])}: {problem}")}");
        }
    }
}

/// <summary>Values of a run that a preview is asked to show.</summary>
internal sealed class SubjectValues
{
    private readonly Option<string?>[] _options =
    [
        Value("runner", "slug of the runner"), Value("phase", "such as plan or apply"), Value("environment", "of the run"), Value("repository", "of the run"),
        Value("ref", "of the run"), Value("step", "name of the step that asks"),
        Value("consumer-workspace", "that runs a shared definition"), Value("consumer-collection", "of the workspace that runs a shared definition"),
    ];

    public void AddTo(Command command) => Array.ForEach(_options, command.Options.Add);

    public string Path(ParseResult arguments, CliConsole console, ScopeOptions scope, string? definition)
    {
        var query = _options.Where(option => arguments.GetValue(option) is not null)
            .Select(option => $"{option.Name.TrimStart('-').Replace('-', '_')}={Uri.EscapeDataString(arguments.GetValue(option)!)}");
        var slug = ScopeOptions.Checked("definition", definition);
        return $"/v1/workspaces/{scope.GetWorkspace(arguments, console)}/collections/{scope.GetCollection(arguments, console)}/definitions/{slug}/subjects?{string.Join('&', query)}".TrimEnd('?');
    }

    private static Option<string?> Value(string name, string description) => new("--" + name) { Description = description };
}
