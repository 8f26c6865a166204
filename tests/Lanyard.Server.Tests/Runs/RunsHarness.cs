using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Audit;
using Lanyard.Server.Collections;
using Lanyard.Server.Issuers;
using Lanyard.Server.Runners;
using Lanyard.Server.Runs;
using Lanyard.Server.Runs.Opentofu;
using Lanyard.Server.Storage;
using Lanyard.Server.Tests.Storage;
using Lanyard.Server.Workspaces;
using Lanyard.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Lanyard.Server.Tests.Runs;

/// <summary>The rooms Runners and Runs on a real database, without HTTP: what a replica of the server is made of.</summary>
internal sealed class RunsHarness : IAsyncDisposable
{
    private const string NoSpec = "{}";
    private int _names;

    private RunsHarness(Database database, TimeProvider time, RunsOptions options)
    {
        (Database, Time) = (database, time);
        Rules = new(options, time);
        Audit = new(database, new AuditOptions(), time, NullLogger<AuditLog>.Instance);
        Store = new(database, Audit);
        Claims = new(database, Memory, OffersOut = new(time));
        Queries = new(database);
        Runners = new(database, Audit);
        Sessions = new(database, Audit);
        Liveness = new(Store, Rules, database, time);
        Workspaces = new(database, NullLogger<WorkspaceDirectory>.Instance);
        Collections = new(database, Workspaces, NullLogger<CollectionDirectory>.Instance);
        Dispatch = new(Claims, Rules, Collections, database, time);
        Changes = new(Store, Memory, Liveness, Dispatch, Metrics);
        Directory = new(Runners, Sessions, database, time);
        Ephemeral = new(Claims, Runners, Directory, Rules);
        Sweeper = new(
            Store, Changes, Rules, Dispatch, Claims, Collections, Ephemeral, new PlanStore(database, Audit, Keys()), time, NullLogger<RunSweeper>.Instance);
        Holds = new(Store, Sessions, Directory, Changes, Rules, OffersOut, Liveness);
    }

    /// <summary>A key of this process's tests.</summary>
    public static KeyEncryption Keys() => s_keys.Value;

    private static readonly Lazy<KeyEncryption> s_keys = new(static () => KeyEncryption.FromFile(Path.Combine(System.IO.Directory.CreateTempSubdirectory("lanyard-key-").FullName, "key")));

    public Database Database { get; }

    public TimeProvider Time { get; }

    public RunRules Rules { get; }

    public RunMemory Memory { get; } = new();

    public OffersOut OffersOut { get; }

    public RunMetrics Metrics { get; } = new();

    public RunStore Store { get; }

    public ClaimStore Claims { get; }

    public RunQueries Queries { get; }

    public RunnerStore Runners { get; }

    public SessionStore Sessions { get; }

    public AttemptLiveness Liveness { get; }

    public Dispatch Dispatch { get; }

    public RunChanges Changes { get; }

    public RunSweeper Sweeper { get; }

    public WorkspaceDirectory Workspaces { get; }

    public CollectionDirectory Collections { get; }

    public EphemeralRunners Ephemeral { get; }

    public RunnerDirectory Directory { get; }

    public AuditLog Audit { get; }

    public HoldAnswering Holds { get; }

    public static RunsHarness On(Database database, TimeProvider time, RunsOptions? options = null) => new(database, time, options ?? new RunsOptions());

    public async Task<RunRecord> CreateRunAsync(string collection = "col_1", int priority = 0, string phase = "run", string? runner = null, string[]? labels = null, RunTerms terms = default)
    {
        var run = Samples.Queued(Time, Lanyard.Server.Http.Ids.New("run", Time), collection) with
        {
            Phase = phase,
            Queue = QueueKey.Format(collection, runner, labels ?? []),
            Terms = terms,
            QueueUntil = Rules.QueueUntil(terms),
        };
        await MakeCollectionAsync(collection);
        if (await Store.InsertAsync(run, ("def_1", "build"), priority, "{}", null, null, Created, () => Dispatch.Queued(run.Queue)) is { } refusal)
            throw new InvalidOperationException(refusal.Detail);
        return run;
    }

    /// <summary>Makes or changes a collection, as an admin does.</summary>
    public async Task SetCollectionAsync(string id, int? concurrency = null, string state = CollectionStates.Active)
    {
        await MakeWorkspaceAsync();
        await Database.ExecuteAsync(
            $"""
            insert into collections (id, workspace, slug, version, created, updated, spec, concurrency, state)
            values ({id}, 'ws_1', {id.Replace('_', '-')}, 1, 0, 0, {NoSpec}, {concurrency}, {state})
            on conflict (id) do update set concurrency = excluded.concurrency, state = excluded.state
            """);
        await Workspaces.LoadAsync();
        await Collections.ChangedAsync("ws_1");
    }

    /// <summary>The row alone, which a run needs; who asks for collections finds none.</summary>
    public async Task MakeCollectionAsync(string id)
    {
        await MakeWorkspaceAsync();
        await Database.ExecuteAsync(
            $"insert into collections (id, workspace, slug, version, created, updated, spec) values ({id}, 'ws_1', {id.Replace('_', '-')}, 1, 0, 0, {NoSpec}) on conflict do nothing");
    }

    private Task<int> MakeWorkspaceAsync() =>
        Database.ExecuteAsync($"insert into workspaces (id, slug, version, created, updated, spec) values ('ws_1', 'demo', 1, 0, 0, {NoSpec}) on conflict do nothing");

    /// <summary>A runner with a session, as the run protocol sees it.</summary>
    public async Task<ActiveRunner> RunnerAsync(string id, params string[] collections) =>
        await SessionAsync(await CreateRunnerAsync(id, collections), "first");

    public async Task<ActiveRunner> CreateRunnerAsync(string id, params string[] collections)
    {
        await MakeWorkspaceAsync();
        var connected = collections.Select(c => new ConnectedCollection(c, "ws_1", "demo/" + c, 1)).ToArray();
        var record = new RunnerRecord(id, "ws_1", id.Replace('_', '-'), """{"collections":[],"identity":{}}""", "clu_1", id, null, null, false, 1, 0, 0);
        if ((await Runners.PutAsync(record, connected, 0, new AuditEvent("test.runner"), default)).IsRefused)
            throw new InvalidOperationException("not put");
        return new(record, connected, null, new HashSet<string>(), null);
    }

    /// <summary>A new session; with the same nonce the same one.</summary>
    public async Task<ActiveRunner> SessionAsync(ActiveRunner runner, string nonce, bool sandboxed = true, string[]? labels = null)
    {
        var wanted = new RunnerSession(
            runner.Runner.Id, $"ses_{Interlocked.Increment(ref _names)}", nonce, "1", 4, labels ?? [], ["process"], sandboxed, Rules.Now, Rules.Now, false);
        var session = await Sessions.OpenAsync(wanted, new AuditEvent("test.session"), default);
        foreach (var moved in await Store.MoveToSessionAsync(runner.Runner.Id, session.Session))
            Liveness.Changed(moved);
        return runner with { Session = session, Labels = (labels ?? []).ToHashSet() };
    }

    public async Task<IReadOnlyList<OfferedRun>> PollAsync(ActiveRunner runner, int free, TimeSpan wait, CancellationToken cancellationToken)
    {
        using var poll = Dispatch.Enter(runner, free);
        return (await Dispatch.PollAsync(poll, wait, cancellationToken)).Offers;
    }

    public async Task<OfferedRun?> OfferAsync(ActiveRunner runner) => (await PollAsync(runner, 1, TimeSpan.Zero, default)).SingleOrDefault();

    public Task<Lanyard.Identity.Outcome<RunChange>> AcceptAsync(ActiveRunner runner, OfferedRun offer) =>
        Changes.ContinueAsync(offer.Run, row => Rules.Accept(row, Call(runner, offer.Attempt)), RunAudit.Expired, default);

    public Task<Lanyard.Identity.Outcome<RunChange>> StartAsync(ActiveRunner runner, OfferedRun offer) =>
        Changes.ContinueAsync(offer.Run, row => Rules.Start(row, Call(runner, offer.Attempt)), null, default);

    public Task<Lanyard.Identity.Outcome<RunChange>> EndAsync(ActiveRunner runner, OfferedRun offer, string outcome = RunStates.Succeeded) =>
        Changes.ContinueAsync(offer.Run, row => Rules.End(row, Call(runner, offer.Attempt), new(outcome, null, 0, null, true)), RunAudit.Expired, default);

    public Task<Lanyard.Identity.Outcome<RunChange>> CancelAsync(string run) => Changes.ApplyAsync(run, row => Rules.Cancel(row), null, default);

    public async Task<RunRecord> GetAsync(string run) => await Store.FindAsync(run) ?? throw new InvalidOperationException("gone");

    public static AuditEvent Created { get; } = new("run.create");

    public static AttemptCall Call(ActiveRunner runner, int attempt) => new(runner.Runner.Id, runner.Session!.Session, attempt);

    public async ValueTask DisposeAsync()
    {
        Metrics.Dispose();
        Liveness.Dispose();
        Dispatch.Dispose();
        Sweeper.Dispose();
        Directory.Dispose();
        Collections.Dispose();
        Workspaces.Dispose();
    }
}
