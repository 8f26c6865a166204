using System.Collections.Concurrent;
using Lanyard.Identity;
using Lanyard.Server.Http;
using Lanyard.Server.Runners;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Server.Tests.Runs;

/// <summary>
/// A real server with runners and runs, the workspaces <c>demo</c> (collections <c>one</c>, <c>two</c>) and <c>other</c> (<c>far</c>), and the definition
/// <c>build</c> in each. What other rooms would answer is simple: a cluster is called <c>clu_</c> and its slug, a runtime token <c>runtime.RUN.ATTEMPT</c>.
/// </summary>
internal sealed class RunsServer : IAsyncDisposable
{
    public const string Runs = "/v1/workspaces/demo/collections/one/runs";

    private const string Definition =
        """
        {"spec":{"steps":[{"name":"hello","script":"echo hello","environment":{"A":"1"},"timeoutSeconds":30},
        {"name":"bye","argv":["true"],"oidc":{"audiences":["sts.amazonaws.com"]}}],
        "audiences":[{"audience":"sts.amazonaws.com","subject":"meshstack-definition"},{"audience":"vault","algorithm":"ES256","lifetimeSeconds":120}],"timeoutSeconds":600}}
        """;

    private readonly string _folder;

    private RunsServer(TestServer server, string folder) => (Server, _folder) = (server, folder);

    public TestServer Server { get; }

    /// <summary>Runs whose runtime token can't be made: the accept is on disk, and its answer fails.</summary>
    public ConcurrentDictionary<string, bool> WithoutTokens { get; private init; } = new(StringComparer.Ordinal);

    public T Get<T>()
        where T : notnull => Server.Services.GetRequiredService<T>();

    public static async Task<RunsServer> StartAsync(DatabaseKind kind = DatabaseKind.Sqlite, RunsOptions? options = null, TimeProvider? time = null)
    {
        var folder = Directory.CreateTempSubdirectory("lanyard-runs-").FullName;
        var withoutTokens = new ConcurrentDictionary<string, bool>(StringComparer.Ordinal);
        var server = await TestServer.StartAsync(
            kind,
            services =>
            {
                services.AddSingleton(new Instance("test", TestServer.SomeUrl, folder));
                services.AddRunners(
                    _ => (workspace, slug, _) => ValueTask.FromResult<string?>(slug.StartsWith("no-", StringComparison.Ordinal) ? null : $"clu_{slug}"),
                    _ => (workspace, slug, _) => ValueTask.FromResult<string?>(slug.StartsWith("no-", StringComparison.Ordinal) ? null : $"pol_{slug}"),
                    _ => (jwk, assertion, _) => ValueTask.FromResult<Outcome<string>>(
                        assertion.StartsWith("signed-", StringComparison.Ordinal)
                            ? assertion["signed-".Length..].PadRight(43, 'A')
                            : new Refusal(RefusalReason.SignatureInvalid, "not signed by the key")));
                services.AddRuns(
                    options ?? new RunsOptions(),
                    _ => (run, attempt, _, _, _) => withoutTokens.ContainsKey(run)
                        ? throw new InvalidOperationException("no token")
                        : ValueTask.FromResult($"runtime.{run}.{attempt}"));
            },
            app =>
            {
                app.MapRunners();
                app.MapRuns();
            },
            time);
        var runs = new RunsServer(server, folder) { WithoutTokens = withoutTokens };
        await runs.FillAsync();
        return runs;
    }

    /// <summary>A runner of the workspace <c>demo</c> and a client that speaks for it.</summary>
    public async Task<SimulatedRunner> RunnerAsync(string slug, params string[] collections)
    {
        var list = string.Join(',', collections.Select(c => $"\"{c}\""));
        var id = (await Server.PutAsync(
            $"/v1/workspaces/demo/runners/{slug}",
            $$"""{"spec":{"collections":[{{list}}],"identity":{"cluster":"lab","subject":"system:serviceaccount:runners:{{slug}}"} } }""")).Made();
        return Speak(id, slug);
    }

    public SimulatedRunner Speak(string id, string slug)
    {
        Server.Be(new Principal
        {
            Kind = PrincipalKind.Runner,
            Name = "runner-" + slug,
            SubjectId = id,
            TokenSha256 = new string('1', 64),
            ExpiresAt = DateTimeOffset.MaxValue,
        });
        return new(Server.Client, "runner-" + slug, id);
    }

    /// <returns>The run's id.</returns>
    public async Task<string> CreateAsync(string json = """{"definition":"build"}""", string path = Runs) =>
        (await Server.SendAsync(HttpMethod.Post, path, "admin", json)).Made();

    public async Task<System.Text.Json.JsonElement> RunAsync(string run, string path = Runs) => (await Server.GetAsync($"{path}/{run}")).Json;

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        Directory.Delete(_folder, true);
    }

    private async Task FillAsync()
    {
        foreach (var (workspace, collections) in ((string, string[])[])[("demo", ["one", "two"]), ("other", ["far"])])
        {
            await Server.MakeWorkspaceAsync(workspace);
            foreach (var collection in collections)
            {
                await Server.MakeCollectionAsync(workspace, collection);
                (await Server.PutAsync($"/v1/workspaces/{workspace}/collections/{collection}/definitions/build", Definition)).Made();
            }
        }
    }
}
