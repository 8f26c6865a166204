using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Server.Http;
using Lanyard.Server.Operations;
using Lanyard.Server.Runners;
using Lanyard.Server.Runs;
using Lanyard.Server.Runtime;
using Lanyard.Server.Tests.Runs;
using Lanyard.Server.Tests.Storage;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Operations;

/// <summary>
/// Runs, a runner, and the operations of the runtime API: in <c>demo/one</c> the definition <c>parent</c> may do everything to <c>child</c>, start and see <c>parent</c>
/// itself, and only cancel <c>stop</c>; a run's bearer is its id.
/// </summary>
internal sealed class OperationsServer : IAsyncDisposable
{
    public const string Runs = "/v1/workspaces/demo/collections/one/runs";
    private const string Steps = "\"steps\":[{\"name\":\"a\",\"script\":\"true\"}],\"timeoutSeconds\":600";

    private readonly string _folder;
    private SimulatedRunner _runner = null!;

    private OperationsServer(TestServer server, string folder) => (Server, _folder) = (server, folder);

    public TestServer Server { get; }

    public SimulatedRunner Runner => _runner;

    public static async Task<OperationsServer> StartAsync(DatabaseKind kind = DatabaseKind.Sqlite, TimeProvider? time = null)
    {
        var folder = Directory.CreateTempSubdirectory("lanyard-operations-").FullName;
        var server = await TestServer.StartAsync(
            kind,
            services =>
            {
                services.AddSingleton(new Instance("test", TestServer.SomeUrl, folder));
                services.AddRunners(
                    _ => (_, slug, _) => ValueTask.FromResult<string?>($"clu_{slug}"),
                    _ => (_, slug, _) => ValueTask.FromResult<string?>($"pol_{slug}"),
                    _ => (_, _, _) => ValueTask.FromResult<Outcome<string>>(new Refusal(RefusalReason.SignatureInvalid, "not here")));
                services.AddRuns(new RunsOptions(), _ => (run, attempt, _, _, _) => ValueTask.FromResult($"runtime.{run}.{attempt}"));
                services.AddRuntime(RuntimeSubjects.Questions).AddOperations(RuntimeOperations.Questions);
            },
            app =>
            {
                app.MapRunners();
                app.MapRuns();
                app.MapRuntime();
                app.MapOperations();
            },
            time);
        var operations = new OperationsServer(server, folder);
        await operations.FillAsync();
        return operations;
    }

    /// <summary>A run of a definition, taken by the runner: its bearer is its id.</summary>
    public async Task<string> LiveAsync(string definition, string more = "", string path = Runs)
    {
        var run = (await Server.SendAsync(HttpMethod.Post, path, "admin", $$"""{"definition":"{{definition}}"{{more}}}""")).Made();
        await TakeAsync(run);
        return run;
    }

    public async Task TakeAsync(string run)
    {
        Assert.Equal(run, await _runner.TakeAsync());
        Be(run);
    }

    public void Be(string run) => Server.Be(new Principal
    {
        Kind = PrincipalKind.Run,
        Name = run,
        SubjectId = run,
        Attempt = 1,
        WorkspaceId = _workspace,
        TokenSha256 = new string('2', 64),
        ExpiresAt = DateTimeOffset.MaxValue,
    });

    /// <returns>The machine's bearer, which is its id.</returns>
    public async Task<Answer> MachineAsync(string operations, string by = "admin") =>
        await Server.SendAsync(HttpMethod.Post, "/v1/workspaces/demo/machines", by, $$"""{"operations":{{operations}}}""");

    public string BeMachine(Answer made)
    {
        var id = made.Json.GetProperty("machine").GetProperty("id").GetString()!;
        Server.Be(new Principal
        {
            Kind = PrincipalKind.Machine,
            Name = id,
            SubjectId = id,
            WorkspaceId = _workspace,
            TokenSha256 = new string('3', 64),
            ExpiresAt = DateTimeOffset.MaxValue,
        });
        return id;
    }

    public Task<Answer> StartAsync(string bearer, string definition, string more = "") =>
        Server.SendAsync(HttpMethod.Post, "/runtime/runs", bearer, $$"""{"definition":"{{definition}}"{{more}}}""");

    public Task<Answer> DoAsync(string bearer, string run, string action, string? body = null) =>
        Server.SendAsync(HttpMethod.Post, $"/runtime/runs/{run}/{action}", bearer, body);

    public async Task<JsonElement> RunAsync(string run) => (await Server.GetAsync($"{Runs}/{run}")).Json;

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private string _workspace = "";

    private async Task FillAsync()
    {
        _workspace = await Server.MakeWorkspaceAsync("demo");
        foreach (var collection in (string[])["one", "two"])
        {
            await Server.MakeCollectionAsync("demo", collection);
            foreach (var (name, more) in ((string, string)[])
            [
                ("child", ""), ("stop", ""), ("other", ""),
                ("parent", """,operations":[{"definition":"child","actions":["start","extend","cancel"]},{"definition":"parent","actions":["start"]},{"definition":"stop","actions":["cancel"]}]"""),
            ])
                (await Server.PutAsync($"/v1/workspaces/demo/collections/{collection}/definitions/{name}", "{\"spec\":{" + Steps + more.Replace(",operations", ",\"operations", StringComparison.Ordinal) + "}}")).Made();
        }

        var id = (await Server.PutAsync(
            "/v1/workspaces/demo/runners/r", """{"spec":{"collections":["one","two"],"identity":{"cluster":"lab","subject":"system:serviceaccount:runners:r"} } }""")).Made();
        Server.Be(new Principal { Kind = PrincipalKind.Runner, Name = "runner-r", SubjectId = id, TokenSha256 = new string('1', 64), ExpiresAt = DateTimeOffset.MaxValue });
        _runner = new SimulatedRunner(Server.Client, "runner-r", id);
        await _runner.OpenAsync();
    }
}
