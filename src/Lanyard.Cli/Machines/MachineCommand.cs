using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.Machines;

/// <summary><c>lanyard machine create | attest | list | delete</c>: VMs with a runtime token.</summary>
internal static class MachineCommand
{
    public static Command Create(CliContext context) => new("machine", "Machines: VMs that hold a runtime token.")
    {
        CreateCreate(context),
        AttestCommand.Create(context),
        CreateList(context),
        CreateDelete(context),
    };

    private static Command CreateCreate(CliContext context)
    {
        var file = new Option<string?>("--file", "-f") { Description = "YAML of kind Machine; - is standard input; what is said by options stands above it" };
        var repository = new Option<string?>("--repository") { Description = "owner/name whose cache it may use" };
        var gitRef = new Option<string?>("--ref") { Description = "full ref that it reads and writes, such as refs/heads/main" };
        var baseRef = new Option<string?>("--base-ref") { Description = "full ref of a pull request's base: read only" };
        var defaultRef = new Option<string?>("--default-ref") { Description = "full ref of the default branch: read only" };
        var mode = new Option<string?>("--cache-mode") { Description = "none, read, write-only or write: takes away from every ref" };
        var runner = new Option<string?>("--runner") { Description = "slug of the runner on it" };
        var lifetime = new Option<long?>("--lifetime") { Description = "seconds that it and its token live (60 to 86400, default 21600)" };
        var operation = new Option<string[]>("--operation") { Description = "COLLECTION/DEFINITION=ACTIONS that it may do to runs, of start, extend, cancel; may be repeated" };
        var env = new Option<bool>("--env") { Description = "print the environment of the cache's clients as NAME=value; the token is in it" };
        var scope = new ScopeOptions();
        var command = new Command("create", "Register a machine and print its token, which is not shown again.")
        {
            file, repository, gitRef, baseRef, defaultRef, mode, runner, lifetime, operation, env,
        };
        scope.AddTo(command, withCollection: false);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var from = arguments.GetValue(file) is { } name ? await MachineFile.ReadAsync(name, context.Console, cancellationToken) : null;
            var body = from?.Spec ?? [];
            SetIfPresent(body, "repository", arguments.GetValue(repository));
            SetIfPresent(body, "ref", arguments.GetValue(gitRef));
            SetIfPresent(body, "baseRef", arguments.GetValue(baseRef));
            SetIfPresent(body, "defaultRef", arguments.GetValue(defaultRef));
            SetIfPresent(body, "cacheMode", arguments.GetValue(mode));
            SetIfPresent(body, "runner", ScopeOptions.Checked("runner", arguments.GetValue(runner)));
            if (arguments.GetValue(lifetime) is { } seconds) body["lifetimeSeconds"] = seconds;

            if (arguments.GetValue(operation) is { Length: > 0 } operations) body["operations"] = new JsonArray([.. operations.Select(OperationOf)]);

            using var api = context.Connect(arguments);
            var workspace = arguments.GetValue(scope.Workspace) is null && from?.Workspace is { } written ? written : scope.GetWorkspace(arguments, context.Console);
            var path = $"/v1/workspaces/{workspace}/machines";
            var answer = await api.SendAsync(HttpMethod.Post, path, body, cancellationToken: cancellationToken);
            if (!answer.IsSuccess && from is not null) throw ResourceFile.Refused(arguments.GetValue(file)!, MachineFile.Kind, from.Source, answer);
            var created = ApiClient.Expect(answer, path);
            Print(context, arguments, api.Server, created, arguments.GetValue(env));
            return ExitCode.Done;
        });
        return command;
    }

    /// <param name="created">The server's answer to the making of a machine.</param>
    /// <param name="asEnvironment">As the lines that a cache client reads.</param>
    public static void Print(CliContext context, ParseResult arguments, string server, JsonNode created, bool asEnvironment)
    {
        var token = HttpCall.Text(created["token"]) ?? throw new CommandStopped(ExitCode.Unreachable, "the server's answer has no token.");
        if (asEnvironment) WriteEnvironment(context.Console.Out, server, token);
        else context.Print(arguments, created, writer => writer.WriteLine(token));
        context.Say(HttpCall.Text(created["machine"]?["id"]) ?? "");
    }

    private static Command CreateList(CliContext context)
    {
        var scope = new ScopeOptions();
        var command = new Command("list", "List the living machines of a workspace.");
        scope.AddTo(command, withCollection: false);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            var machines = await api.ListAsync($"/v1/workspaces/{scope.GetWorkspace(arguments, context.Console)}/machines", cancellationToken);
            context.Print(arguments, new JsonArray([.. machines.Select(machine => machine.DeepClone())]), writer => Printing.Table(
                writer,
                ["ID", "REPOSITORY", "REF", "EXPIRES", "LAST SEEN"],
                machines.Select(machine => (string?[])
                [
                    HttpCall.Text(machine["id"]), HttpCall.Text(machine["repository"]), HttpCall.Text(machine["ref"]), Printing.Moment(machine["expiresAt"]), Printing.Moment(machine["lastSeenAt"]),
                ])));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command CreateDelete(CliContext context)
    {
        var id = new Argument<string>("machine") { Description = "its id" };
        var scope = new ScopeOptions();
        var command = new Command("delete", "End a machine: its token is dead at once.") { id };
        scope.AddTo(command, withCollection: false);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var machine = arguments.GetValue(id)!;
            if (machine.Length > 64 || !machine.All(static c => char.IsAsciiLetterOrDigit(c) || c == '_'))
                throw new CommandStopped(ExitCode.Usage, $"{Printing.Plain(machine)} is no id of a machine.");
            using var api = context.Connect(arguments);
            var path = $"/v1/workspaces/{scope.GetWorkspace(arguments, context.Console)}/machines/{machine}";
            ApiClient.Expect(await api.SendAsync(HttpMethod.Delete, path, cancellationToken: cancellationToken), path);
            context.Say($"{machine}: deleted, and its token is dead");
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>From <c>main/deploy=start,cancel</c>.</summary>
    private static JsonObject OperationOf(string text) =>
        text.Split('=') is [var place, { Length: > 0 } actions] && place.Split('/') is [{ Length: > 0 } collection, { Length: > 0 } definition]
            ? new JsonObject { ["collection"] = collection, ["definition"] = definition, ["actions"] = new JsonArray([.. actions.Split(',').Select(static action => JsonValue.Create(action))]) }
            : throw new CommandStopped(ExitCode.Usage, $"--operation {Printing.Plain(text)} is not COLLECTION/DEFINITION=ACTIONS.");

    /// <summary>What an unmodified @actions/cache reads; v1 wants the slash at the end, v2 keeps no path.</summary>
    private static void WriteEnvironment(TextWriter writer, string server, string token)
    {
        writer.WriteLine($"ACTIONS_RESULTS_URL={server}/");
        writer.WriteLine($"ACTIONS_CACHE_URL={server}/runtime/cache/");
        writer.WriteLine("ACTIONS_CACHE_SERVICE_V2=true");
        writer.WriteLine($"ACTIONS_RUNTIME_TOKEN={token}");
    }

    private static void SetIfPresent(JsonObject body, string name, string? value)
    {
        if (value is not null) body[name] = value;
    }
}
