using System.CommandLine;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Protocol.Resources;

namespace Lanyard.Cli.Resources;

/// <summary>
/// <c>lanyard runner|collection pause|resume|cordon|drain NAME</c>: sets <c>spec.state</c> of the resource as it is now, by its ETag, so that nobody's change is
/// overwritten. A file that is applied later says its own.
/// </summary>
internal static class StateCommand
{
    public static IReadOnlyList<Command> OfRunners(CliContext context) =>
    [
        Create(context, false, "pause", RunnerStates.Paused, "Offer the runner nothing; what it holds goes on."),
        Create(context, false, "resume", null, "Offer the runner runs again."),
        Create(context, false, "cordon", RunnerStates.Cordoned, "Offer the runner only runs that name it."),
        Create(context, false, "drain", RunnerStates.Draining, "Offer the runner nothing; its process ends when what it holds has ended."),
    ];

    public static Command OfCollections(CliContext context) => new("collection", "Say what a collection takes in and gives out.")
    {
        Create(context, true, "pause", CollectionStates.Paused, "Take runs in and offer none."),
        Create(context, true, "resume", null, "Take runs in and offer them again."),
        Create(context, true, "cordon", CollectionStates.Cordoned, "Take no runs in; what waits is offered."),
        Create(context, true, "drain", CollectionStates.Draining, "Take no runs in, and cancel what waits; what runs goes on."),
    };

    private static Command Create(CliContext context, bool ofCollection, string word, string? state, string text)
    {
        var slug = new Argument<string>(ofCollection ? "collection" : "runner") { Description = "its slug" };
        var shared = new Option<bool>("--shared") { Description = "a shared runner, which belongs to no workspace" };
        var scope = new ScopeOptions();
        var command = new Command(word, text) { slug };
        scope.AddTo(command, withCollection: false);
        if (!ofCollection)
        {
            command.Options.Add(shared);
        }

        command.SetAction(async (arguments, cancellationToken) =>
        {
            var name = ScopeOptions.Checked(ofCollection ? "collection" : "runner", arguments.GetValue(slug))!;
            var path = !ofCollection && arguments.GetValue(shared)
                ? $"/v1/runners/{name}"
                : $"/v1/workspaces/{scope.GetWorkspace(arguments, context.Console)}/{(ofCollection ? "collections" : "runners")}/{name}";
            using var api = context.Connect(arguments);
            var after = await SetAsync(api, path, state, cancellationToken);
            context.Print(arguments, after, writer => writer.WriteLine($"{name} {HttpCall.Text(after["spec"]?["state"]) ?? RunnerStates.Active}"));
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task<JsonNode> SetAsync(ApiClient api, string path, string? state, CancellationToken cancellationToken)
    {
        var present = await api.SendAsync(HttpMethod.Get, path, cancellationToken: cancellationToken);
        var spec = ApiClient.Expect(present, path)["spec"]?.DeepClone() as JsonObject ?? [];
        if (state is null)
        {
            spec.Remove("state");
        }
        else
        {
            spec["state"] = state;
        }

        var etag = present.ETag is { } tag ? EntityTagHeaderValue.Parse(tag) : null;
        return ApiClient.Expect(await api.SendAsync(HttpMethod.Put, path, new JsonObject { ["spec"] = spec }, etag, cancellationToken: cancellationToken), path);
    }
}
