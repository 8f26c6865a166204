using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Explain;

/// <summary>
/// <c>lanyard explain - | --file F | EVENT_ID | REQUEST_ID</c>: every step of the chain for a token or for a decision of the past, and the step that
/// refused. A token is never an argument: a command line is readable by everybody on the host and kept by shells.
/// </summary>
internal static class ExplainCommand
{
    private const int MaxTokenCharacters = 16 * 1024;

    public static Command Create(CliContext context)
    {
        var what = new Argument<string?>("what") { Description = "- for a token on standard input, the id of a request as a refusal names it (req_…), or that of an audit event (evt_…)", Arity = ArgumentArity.ZeroOrOne };
        var file = new Option<string?>("--file") { Description = "a file with the token" };
        var audience = new Option<string?>("--audience") { Description = "judge an exchange for this audience" };
        var about = new Option<string?>("--for") { Description = "policy:SLUG, audience:AUDIENCE or cluster:SLUG: judge by that alone" };
        var workspace = new Option<string?>("--workspace", "-w") { Description = "judge as that workspace does" };
        var command = new Command("explain", "Show how a token is judged, step by step; with --authentication-config FILE as a cluster proxy would, with no server (lanyard explain --authentication-config --help).") { what, file, audience, about, workspace };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var token = await ReadTokenAsync(arguments.GetValue(what), arguments.GetValue(file), context.Console, cancellationToken);
            using var api = context.Connect(arguments);
            JsonNode explanation;
            if (token is null)
            {
                return RequestEvents.IsRequest(arguments.GetValue(what)!)
                    ? await ExplainRequestAsync(context, arguments, api, arguments.GetValue(what)!, arguments.GetValue(workspace), cancellationToken)
                    : await ExplainEventAsync(context, arguments, api, arguments.GetValue(what)!, cancellationToken);
            }
            else
            {
                var body = new JsonObject { ["token"] = token };
                if (arguments.GetValue(audience) is { } wanted)
                {
                    body["audience"] = wanted;
                }

                Narrow(body, arguments.GetValue(about));
                var home = Resources.ScopeOptions.Checked("workspace", arguments.GetValue(workspace)) is { } slug ? $"/v1/workspaces/{slug}/explain" : "/v1/explain";
                explanation = await api.PostAsync(home, body, cancellationToken);
            }

            context.Print(arguments, explanation, writer => Write(writer, explanation));
            return Steps(explanation).Any(step => !Passed(step)) ? ExitCode.No : ExitCode.Done;
        });
        return command;
    }

    private static void Narrow(JsonObject body, string? about)
    {
        if (about is null) return;
        var colon = about.IndexOf(':', StringComparison.Ordinal);
        if (colon < 1 || colon == about.Length - 1 || about[..colon] is not ("policy" or "audience" or "cluster"))
            throw new CommandStopped(ExitCode.Usage, "--for: policy:SLUG, audience:AUDIENCE or cluster:SLUG");
        if (!body.TryAdd(about[..colon], about[(colon + 1)..])) throw new CommandStopped(ExitCode.Usage, "--audience and --for audience: are the same; give one.");
    }

    /// <summary>A decision of the past: the audit event has the steps that were kept with it.</summary>
    private static async Task<int> ExplainEventAsync(CliContext context, ParseResult arguments, ApiClient api, string id, CancellationToken cancellationToken)
    {
        var line = await api.GetAsync($"/v1/audit/{Uri.EscapeDataString(id)}", cancellationToken);
        var happened = line["event"] as JsonObject ?? [];
        context.Print(arguments, happened, writer => Write(writer, happened));
        return IsRefused(happened) ? ExitCode.No : ExitCode.Done;
    }

    /// <summary>What the refused was told is the id of its request: every decision of that request.</summary>
    private static async Task<int> ExplainRequestAsync(
        CliContext context, ParseResult arguments, ApiClient api, string id, string? workspace, CancellationToken cancellationToken)
    {
        var home = Resources.ScopeOptions.Checked("workspace", workspace) is { } slug ? $"/v1/workspaces/{slug}/audit" : "/v1/audit";
        var events = await RequestEvents.FindAsync(api, home, id, cancellationToken);
        if (events.Count == 0)
        {
            throw new CommandStopped(ExitCode.No, $"{id}: the audit log has no decision of this request; what else the server made of it stands in the server's log, under the same id.");
        }

        context.Print(arguments, new JsonArray([.. events.Select(static happened => happened.DeepClone())]), writer => events.ForEach(happened => Write(writer, happened)));
        return events.Any(IsRefused) ? ExitCode.No : ExitCode.Done;
    }

    private static bool IsRefused(JsonObject happened) => HttpCall.Text(happened["decision"]) == "refused";

    private static void Write(TextWriter writer, JsonObject happened)
    {
        writer.WriteLine($"{HttpCall.Text(happened["at"])} {HttpCall.Text(happened["action"])} {HttpCall.Text(happened["target"])}".TrimEnd());
        foreach (var text in ((string[])["trace", "evidence"]).SelectMany(name => happened[name] as JsonArray ?? []).Select(HttpCall.Text))
        {
            writer.WriteLine($"  {Printing.Plain(text ?? "")}");
        }

        var why = string.Join(' ', ((string[])["decision", "stage", "reason", "detail"]).Select(name => HttpCall.Text(happened[name])).OfType<string>());
        writer.WriteLine(Printing.Plain(why));
    }

    private static async Task<string?> ReadTokenAsync(string? what, string? file, CliConsole console, CancellationToken cancellationToken)
    {
        if (file is null == what is null)
        {
            throw new CommandStopped(ExitCode.Usage, "explain what? One of: - (a token on standard input), --file FILE, or the id of a request or of an audit event.");
        }

        if (what is not null && what != "-")
        {
            return LooksLikeToken(what)
                ? throw new CommandStopped(
                    ExitCode.Usage,
                    "That looks like a token, and a command line is no place for one: others on this host can read it and the shell keeps it. Use: lanyard explain - < FILE")
                : null;
        }

        string text;
        try
        {
            text = file is null ? await console.In.ReadToEndAsync(cancellationToken) : await File.ReadAllTextAsync(file, cancellationToken);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CommandStopped(ExitCode.Usage, $"{file}: {exception.Message}");
        }

        // Only the line's end is taken off: a token with a blank inside is to be explained as it is.
        text = text.TrimEnd('\r', '\n');
        return text.Length is > 0 and <= 4 * MaxTokenCharacters ? text : throw new CommandStopped(ExitCode.Usage, "there is no token in it, or far too much.");
    }

    /// <summary>Any compact JWS, whole or cut: two dots, or the beginning that every JOSE header has.</summary>
    internal static bool LooksLikeToken(string text) =>
        text.Count(character => character == '.') >= 2 || text.StartsWith("eyJ", StringComparison.Ordinal) || text.Length > 128;

    private static IEnumerable<JsonObject> Steps(JsonNode explanation) => (explanation["steps"] as JsonArray ?? []).OfType<JsonObject>();

    private static bool Passed(JsonObject step) => step["passed"] is JsonValue value && value.TryGetValue<bool>(out var passed) && passed;

    private static void Write(TextWriter writer, JsonNode explanation)
    {
        foreach (var step in Steps(explanation))
        {
            var text = HttpCall.Text(step["text"]) ?? "";
            writer.WriteLine($"{(Passed(step) ? "ok " : "NO ")} {HttpCall.Text(step["stage"]),-12} {Printing.Plain(text)}");
        }

        foreach (var policy in (explanation["policies"] as JsonArray ?? []).OfType<JsonObject>())
        {
            var matches = (bool?)policy["matches"] == true;
            writer.WriteLine(Printing.Plain($"policy {HttpCall.Text(policy["policy"])}: {(matches ? "matches" : $"does not match; {HttpCall.Text(policy["change"])}")}"));
        }

        if (HttpCall.Text(explanation["principal"]) is { } principal)
        {
            writer.WriteLine($"principal: {Printing.Plain(principal)}");
        }
    }
}
