using System.CommandLine;
using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.Clusters;

/// <summary>The runner that is to be made together with its cluster.</summary>
internal sealed record WantedRunner(string Workspace, string Slug, IReadOnlyList<string> Collections);

/// <summary><c>--runner NAME --collection C</c>: the runner resource of the cluster's service account.</summary>
internal sealed class RunnerOptions
{
    private readonly Option<string?> _runner = new("--runner") { Description = "also create this runner for the cluster's service account" };

    private readonly Option<string[]> _collections = new("--collection", "-c") { Description = "a collection that the runner serves; may be repeated" };

    public void AddTo(Command command)
    {
        command.Options.Add(_runner);
        command.Options.Add(_collections);
    }

    public WantedRunner? Read(ParseResult arguments, string workspace)
    {
        var slug = ScopeOptions.Checked("runner", arguments.GetValue(_runner));
        var collections = arguments.GetValue(_collections) ?? [];
        foreach (var collection in collections)
        {
            ScopeOptions.Checked("collection", collection);
        }

        return (slug, collections.Length) switch
        {
            (null, 0) => null,
            (null, _) => throw new CommandStopped(ExitCode.Usage, "--collection is for the runner: give --runner NAME too."),
            (_, 0) => throw new CommandStopped(ExitCode.Usage, "--runner: which collections does it serve? Give --collection."),
            _ => new WantedRunner(workspace, slug, collections),
        };
    }

    public static async Task CreateAsync(ApiClient api, WantedRunner? wanted, JsonObject cluster, CliContext context, CancellationToken cancellationToken)
    {
        if (wanted is null)
        {
            return;
        }

        var runner = cluster["spec"]!["runner"]!;
        var spec = new JsonObject
        {
            ["collections"] = new JsonArray([.. wanted.Collections.Select(collection => JsonValue.Create(collection))]),
            ["identity"] = new JsonObject
            {
                ["cluster"] = HttpCall.Text(cluster["slug"]),
                ["subject"] = $"system:serviceaccount:{HttpCall.Text(runner["namespace"])}:{HttpCall.Text(runner["serviceAccount"])}",
            },
        };
        var path = $"/v1/workspaces/{wanted.Workspace}/runners/{wanted.Slug}";
        var answer = await api.SendAsync(HttpMethod.Put, path, new JsonObject { ["spec"] = spec }, onlyIfNew: true, cancellationToken: cancellationToken);
        if (answer.Status != HttpStatusCode.PreconditionFailed)
        {
            ApiClient.Expect(answer, $"The cluster is registered; its runner {wanted.Slug} was refused");
        }
        else if ((await api.GetAsync(path, cancellationToken))["spec"] is var there && !(Agrees(there, spec, "identity") && Agrees(there, spec, "collections")))
        {
            throw new CommandStopped(
                ExitCode.Refused,
                $"The cluster is registered; another runner {wanted.Slug} exists already and was left as it is: see lanyard get runner {wanted.Slug} -w {wanted.Workspace} -o yaml, or choose another --runner.");
        }

        context.Say($"runner {wanted.Workspace}/{wanted.Slug} serves {string.Join(", ", wanted.Collections)}");
    }

    /// <summary>The same command once more makes the same runner, and is no mistake.</summary>
    private static bool Agrees(JsonNode? there, JsonObject wanted, string member) => JsonNode.DeepEquals(there?[member], wanted[member]);
}
