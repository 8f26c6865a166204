using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.Runs;

/// <summary><c>lanyard state list|versions|pull|push|delete|unlock</c>: the states of a collection.</summary>
internal static class InfrastructureStateCommand
{
    public static Command Create(CliContext context) =>
        new("state", "States of infrastructure.") { List(context), Versions(context), Pull(context), Push(context), Delete(context), Unlock(context) };

    private static Command List(CliContext context)
    {
        var scope = new ScopeOptions();
        var command = new Command("list", "List the states of a collection, and who has them locked.");
        scope.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            var states = await api.GetAsync(Path(scope, arguments, context), cancellationToken);
            context.Print(arguments, states, writer => Printing.Table(
                writer,
                ["STATE", "VERSION", "BYTES", "UPDATED", "RUN", "LOCK", "OF"],
                (states["items"] as JsonArray ?? []).OfType<JsonObject>().Select(state => new[]
                {
                    HttpCall.Text(state["name"]), state["version"]?.ToString(), state["bytes"]?.ToString(), Printing.Moment(state["updatedAt"]), HttpCall.Text(state["run"]),
                    HttpCall.Text(state["lock"]?["id"]), HttpCall.Text(state["lock"]?["run"]),
                })));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Unlock(CliContext context)
    {
        var name = new Argument<string>("state") { Description = "its slug" };
        var id = new Argument<string>("lock") { Description = "as lanyard state list shows it" };
        var scope = new ScopeOptions();
        var command = new Command("unlock", "Take a lock away that an apply has left behind; look first how far it came.") { name, id };
        scope.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var state = ScopeOptions.Checked("state", arguments.GetValue(name))!;
            using var api = context.Connect(arguments);
            ApiClient.Expect(
                await api.SendAsync(HttpMethod.Delete, $"{Path(scope, arguments, context)}/{state}/locks/{Uri.EscapeDataString(arguments.GetValue(id)!)}", cancellationToken: cancellationToken), state);
            context.Say($"{state} unlocked");
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Versions(CliContext context)
    {
        var name = StateArgument();
        var scope = new ScopeOptions();
        var command = new Command("versions", "List the versions of a state that are kept, the newest first.") { name };
        scope.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            var versions = await api.GetAsync($"{Path(scope, arguments, context)}/{NameOf(arguments, name)}/versions", cancellationToken);
            context.Print(arguments, versions, writer => Printing.Table(
                writer,
                ["VERSION", "BYTES", "WRITTEN", "RUN"],
                (versions["items"] as JsonArray ?? []).OfType<JsonObject>().Select(version => new[]
                {
                    version["version"]?.ToString(), version["bytes"]?.ToString(), Printing.Moment(version["writtenAt"]), HttpCall.Text(version["run"]) ?? "pushed",
                })));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Pull(CliContext context)
    {
        var name = StateArgument();
        var version = new Option<long?>("--version") { Description = "one that lanyard state versions shows; absent: the newest" };
        var scope = new ScopeOptions();
        var command = new Command("pull", "Print a state as it is, or as it was. It holds what its resources hold, passwords too.") { name, version };
        scope.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            var path = $"{Path(scope, arguments, context)}/{NameOf(arguments, name)}/versions";
            var wanted = arguments.GetValue(version)?.ToString(CultureInfo.InvariantCulture)
                ?? (await api.GetAsync(path, cancellationToken))["items"]?[0]?["version"]?.ToString();
            await CopyAsync(api, $"{path}/{wanted}", context, cancellationToken);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Push(CliContext context)
    {
        var name = StateArgument();
        var file = new Argument<string>("file") { Description = "a state as the tool writes it (terraform.tfstate); -: standard input" };
        var scope = new ScopeOptions();
        var command = new Command("push", "Make a file the next version of a state: infrastructure that moves in, or an older version. Nobody may have it locked.") { name, file };
        scope.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var text = await ResourceFile.ReadTextAsync(arguments.GetValue(file)!, context.Console, cancellationToken);
            if (HttpCall.TryParse(text) is not JsonObject state)
            {
                throw new CommandStopped(ExitCode.Usage, $"{arguments.GetValue(file)} is no state: not a JSON object");
            }

            using var api = context.Connect(arguments);
            var path = $"{Path(scope, arguments, context)}/{NameOf(arguments, name)}";
            var present = await api.SendAsync(HttpMethod.Get, path + "/versions", cancellationToken: cancellationToken);
            var etag = present is { IsSuccess: true, ETag: { } tag } ? EntityTagHeaderValue.Parse(tag) : null;
            if (etag is null && present.Status is not HttpStatusCode.NotFound)
            {
                ApiClient.Expect(present, path);
            }

            var pushed = ApiClient.Expect(await api.SendAsync(HttpMethod.Put, path, state, etag, onlyIfNew: etag is null, cancellationToken: cancellationToken), path);
            context.Print(arguments, pushed, writer => writer.WriteLine($"{NameOf(arguments, name)} version {pushed["version"]}"));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Delete(CliContext context)
    {
        var name = StateArgument();
        var scope = new ScopeOptions();
        var command = new Command("delete", "Forget a state with all its versions. What it describes stays, and nothing knows of it any more: destroy that first.") { name };
        scope.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            var path = $"{Path(scope, arguments, context)}/{NameOf(arguments, name)}";
            var present = await api.SendAsync(HttpMethod.Get, path + "/versions", cancellationToken: cancellationToken);
            ApiClient.Expect(present, path);
            ApiClient.Expect(await api.SendAsync(HttpMethod.Delete, path, ifMatch: EntityTagHeaderValue.Parse(present.ETag!), cancellationToken: cancellationToken), path);
            context.Say($"{NameOf(arguments, name)} deleted");
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>As it comes: a state may be longer than answers are.</summary>
    private static async Task CopyAsync(ApiClient api, string path, CliContext context, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, api.Server + path);
        using var response = await api.SendAsync(request, cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            throw ApiClient.Stopped(new ApiAnswer(response.StatusCode, await HttpCall.ReadTextAsync(response, cancellationToken), null), path);
        }

        var copy = new LogCopy(context.Console.Out, context.Console.Error);
        await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        await copy.FromAsync(body, cancellationToken);
        copy.Flush();
    }

    private static Argument<string> StateArgument() => new("state") { Description = "its slug" };

    private static string NameOf(ParseResult arguments, Argument<string> name) => ScopeOptions.Checked("state", arguments.GetValue(name))!;

    private static string Path(ScopeOptions scope, ParseResult arguments, CliContext context) =>
        $"/v1/workspaces/{scope.GetWorkspace(arguments, context.Console)}/collections/{scope.GetCollection(arguments, context.Console)}/states";
}
