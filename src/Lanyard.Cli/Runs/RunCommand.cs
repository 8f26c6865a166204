using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runs;

/// <summary><c>lanyard run DEFINITION</c>: creates a run; <c>--follow</c> shows its log and ends as the run ended.</summary>
internal static class RunCommand
{
    public static Command Create(CliContext context)
    {
        var definition = new Argument<string>("definition") { Description = "slug of the definition, or WORKSPACE/COLLECTION/DEFINITION of one that is shared with your workspace" };
        var variables = new Option<string[]>("--variable", "-v") { Description = "NAME=VALUE, an input of the run; may be repeated" };
        var phase = new Option<string?>("--phase") { Description = "such as plan or apply" };
        var action = new Option<string?>("--action") { Description = "of a definition with opentofu: apply (default: plan, approval, apply), plan, destroy or drift" };
        var priority = new Option<int?>("--priority") { Description = "-100 to 100; higher ones of the collection are offered first" };
        var labels = new Option<string[]>("--label") { Description = "the runner must have it; may be repeated" };
        var runner = new Option<string?>("--runner") { Description = "only this runner may take it" };
        var follow = new Option<bool>("--follow") { Description = "show the log until the run ends; exit code 1 unless it succeeded" };
        var repository = new Option<string?>("--repository") { Description = "it, ref and environment become part of the run's identity; only an admin may state what no verified token says" };
        var gitRef = new Option<string?>("--ref") { Description = "such as refs/heads/main" };
        var environment = new Option<string?>("--environment") { Description = "such as production" };
        var key = new Option<string?>("--idempotency-key") { Description = "repeating the command with the same key creates nothing new" };
        var scope = new ScopeOptions();
        var command = new Command("run", "Create a run of a definition.") { definition, variables, phase, action, priority, labels, runner, repository, gitRef, environment, follow, key };
        scope.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var runs = scope.RunsPath(arguments, context.Console);
            var body = new JsonObject { ["definition"] = Checked(arguments.GetValue(definition)!) };
            SetIfPresent(body, "phase", arguments.GetValue(phase));
            SetIfPresent(body, "action", arguments.GetValue(action));
            SetIfPresent(body, "runner", arguments.GetValue(runner));
            SetIfPresent(body, "repository", arguments.GetValue(repository));
            SetIfPresent(body, "ref", arguments.GetValue(gitRef));
            SetIfPresent(body, "environment", arguments.GetValue(environment));
            if (arguments.GetValue(priority) is { } urgent)
            {
                body["priority"] = urgent;
            }

            if (arguments.GetValue(labels) is { Length: > 0 } asked)
            {
                body["labels"] = new JsonArray([.. asked.Select(label => JsonValue.Create(label))]);
            }

            if (arguments.GetValue(variables) is { Length: > 0 } given)
            {
                body["variables"] = Variables(given);
            }

            using var api = context.Connect(arguments);
            var run = await CreateAsync(api, runs, body, arguments.GetValue(key), cancellationToken);
            var id = HttpCall.Text(run["id"]) ?? throw new CommandStopped(ExitCode.Unreachable, "the server's answer names no run.");
            if (!arguments.GetValue(follow))
            {
                context.Print(arguments, run, writer => writer.WriteLine(id));
                return ExitCode.Done;
            }

            return await FollowAsync(api, runs, id, context, cancellationToken);
        });
        return command;
    }

    private static async Task<int> FollowAsync(ApiClient api, string runs, string id, CliContext context, CancellationToken cancellationToken)
    {
        context.Say(id);
        try
        {
            await LogsCommand.CopyAsync(api, $"{runs}/{id}", follow: true, context.Console, cancellationToken);
            return await RunEnd.ReportAsync(api, $"{runs}/{id}", context, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // Ctrl-C ends the looking only, which nobody would guess.
            context.Say($"{id} goes on: lanyard logs -f {id} follows it again, lanyard cancel {id} ends it.");
            throw;
        }
    }

    private static async Task<JsonNode> CreateAsync(ApiClient api, string runs, JsonObject body, string? key, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, api.Server + runs);
        request.Content = new StringContent(body.ToJsonString(), System.Text.Encoding.UTF8, "application/json");
        if (key is not null)
        {
            request.Headers.Add("Idempotency-Key", key);
        }

        using var response = await api.SendAsync(request, cancellationToken);
        var answer = new ApiAnswer(response.StatusCode, await HttpCall.ReadTextAsync(response, cancellationToken), null);
        return ApiClient.Expect(answer, "run");
    }

    private static string Checked(string definition) => definition.Split('/') is { Length: 1 or 3 } parts && parts.All(Slug.IsValid)
        ? definition
        : throw new CommandStopped(ExitCode.Usage, $"{Printing.Plain(definition)} is neither the slug of a definition nor WORKSPACE/COLLECTION/DEFINITION.");

    private static JsonObject Variables(string[] given)
    {
        var variables = new JsonObject();
        foreach (var pair in given)
        {
            var cut = pair.IndexOf('=', StringComparison.Ordinal);
            if (cut < 1)
            {
                throw new CommandStopped(ExitCode.Usage, $"--variable {Printing.Plain(pair)}: NAME=VALUE is wanted.");
            }

            if (!variables.TryAdd(pair[..cut], JsonValue.Create(pair[(cut + 1)..])))
            {
                throw new CommandStopped(ExitCode.Usage, $"--variable {Printing.Plain(pair[..cut])} is given twice.");
            }
        }

        return variables;
    }

    private static void SetIfPresent(JsonObject body, string name, string? value)
    {
        if (value is not null)
        {
            body[name] = value;
        }
    }
}

/// <summary>How a run ended, on standard error and as an exit code.</summary>
internal static class RunEnd
{
    public static async Task<int> ReportAsync(ApiClient api, string path, CliContext context, CancellationToken cancellationToken)
    {
        var run = await api.GetAsync(path, cancellationToken);
        var state = RunView.State(run) ?? "unknown";
        context.Say($"{HttpCall.Text(run["id"])} {state}");
        return state == RunStates.Succeeded ? ExitCode.Done : ExitCode.No;
    }
}
