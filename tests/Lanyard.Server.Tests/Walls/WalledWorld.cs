using System.Text.Json;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Cache;
using Lanyard.Server.Clusters;
using Lanyard.Server.Http;
using Lanyard.Server.Runners;
using Lanyard.Server.Tests.Runs;
using Lanyard.Server.Tests.Storage;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Walls;

/// <summary>
/// The whole server with one of everything in workspace <c>acme</c>, collection <c>infra</c>, among it a run that its runner is running, and with
/// strangers of every kind.
/// </summary>
internal sealed class WalledWorld : IAsyncDisposable
{
    /// <summary>The public key of RFC 7515 appendix A.3.</summary>
    public const string Jwks =
        """
        {"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}
        """;

    public const string OwnRunner = """{"collections":["infra"],"identity":{"cluster":"lab","subject":"system:serviceaccount:runners:own"}}""";
    public const string SharedRunner = """{"collections":["acme/infra"],"identity":{"cluster":"acme/lab","subject":"system:serviceaccount:runners:shared"}}""";
    public const string Identity = """{"spec":{"proof":{"cluster":"lab","subject":"system:serviceaccount:builds:vm"},"machine":{}}}""";
    private const string ForeignRunner = """{"collections":["far"],"identity":{"cluster":"lab","subject":"system:serviceaccount:runners:far"}}""";

    /// <summary>Of what is put in behind the doors.</summary>
    private static readonly AuditEvent Filled = new("test.fill");
    private static readonly string WaitingKey = new('w', 43);

    private WalledWorld(TestServer server) => Server = server;

    public static IReadOnlyList<string> Strangers { get; } =
        ["no-role", "other-workspace", "sibling-collection", "runner", "runner-foreign", "run", "machine", "pod"];

    public TestServer Server { get; }

    /// <summary>The present session of the registered runner of workspace <c>other</c>.</summary>
    public string ForeignSession { get; private set; } = "";

    /// <summary>What a path's hole is called where it exists, and a name of the same form that exists nowhere.</summary>
    public Dictionary<string, (string Existing, string Missing)> Names { get; } = new(StringComparer.Ordinal)
    {
        ["{workspace}"] = ("acme", "nothing-w"),
        ["{collection}"] = ("infra", "nothing-c"),
        ["{definition}"] = ("plan", "nothing-d"),
        ["{issuer}"] = ("ci", "nothing-i"),
        ["{policy}"] = ("deploy", "nothing-p"),
        ["{cluster}"] = ("lab", "nothing-k"),
        ["{entries}"] = ("prod", "nothing-a"),
        ["{identity}"] = ("vm", "nothing-m"),
        ["{runner}"] = ("own", "nothing-r"),
        ["{fingerprint}"] = (WaitingKey, new string('x', 43)),
        ["{attempt}"] = ("1", "7"),
        ["{step}"] = ("0", "0"),
        ["{state}"] = ("nothing-s", "nothing-t"),
        ["{lock}"] = ("none", "other"),
        ["{version}"] = ("1", "2"),
        ["{revocation}"] = ("rev_01k00000000000000000000001", "rev_01k00000000000000000000000"),
    };

    public static async Task<WalledWorld> CreateAsync(DatabaseKind kind = DatabaseKind.Sqlite)
    {
        var world = new WalledWorld(await TestServer.StartWholeAsync(kind));
        await world.FillAsync();
        return world;
    }

    public ValueTask DisposeAsync() => Server.DisposeAsync();

    public T Service<T>()
        where T : notnull => Server.Services.GetRequiredService<T>();

    /// <summary>The id of a resource.</summary>
    public async Task<string> IdAsync(string path) => (await Server.GetAsync(path)).Made();

    /// <returns>The id of an entry that somebody has begun to write.</returns>
    public async Task<string> MakeCacheEntryAsync(string key)
    {
        var name = new CacheName(await IdAsync("/v1/workspaces/acme"), "demo/app", "refs/heads/main", "1", key);
        var writer = new CacheProvenance("machine_1", "demo/app", "refs/heads/main", null, "somebody", "");
        var entry = await Service<CacheEntryStore>().InsertAsync(name, "machine_1", writer, TimeProvider.System.GetUtcNow().AddHours(1), encrypted: false, perMinute: 0, CancellationToken.None);
        return entry!.Id.ToString(System.Globalization.CultureInfo.InvariantCulture);
    }

    private async Task FillAsync()
    {
        var acme = await Server.MakeWorkspaceAsync("acme");
        var other = await Server.MakeWorkspaceAsync("other");
        await Server.MakeCollectionAsync("acme", "infra");
        await Server.MakeCollectionAsync("other", "far");
        var sibling = await Server.MakeCollectionAsync("acme", "sibling");
        await PutAsync("/v1/workspaces/acme/collections/infra/definitions/plan", """{"steps":[{"name":"a","script":"true"}]}""");
        foreach (var home in (string[])["/v1", "/v1/workspaces/acme"])
        {
            await PutAsync($"{home}/trusted-issuers/ci", """{"issuer":"https://ci.example","keys":{"discovery":{}}}""");
            var pushing = await PutAsync(
                $"{home}/trusted-issuers/pushing", $$"""{"issuer":"https://pushing.example","keys":{"pushed":{"jwks":{{Jwks}},"subject":"pusher"} } }""");
            Names["{record}"] = (pushing, "ti_01k00000000000000000000000");
            await PutAsync($"{home}/trust-policies/deploy", """{"issuer":"ci","claims":{"sub":"x"},"allow":{"roles":["viewer"]}}""");
        }

        using (var admin = Lanyard.Identity.Jose.SigningKey.Generate(Lanyard.Identity.Jose.SignatureAlgorithm.ES256))
        {
            var key = await Server.Services.GetRequiredService<Lanyard.Server.Federation.AdminKeys>().AddAsync(admin.Public, "only", Filled, CancellationToken.None);
            Names["{key}"] = (key.Value.Id, "key_" + new string('x', 43));
        }

        await FillClustersAsync(acme, other);
        await PutAsync("/v1/workspaces/acme/access-entries/prod", """{"entries":[]}""");
        await FillRunsAsync();
        var machine = await Server.SendAsync(HttpMethod.Post, "/v1/workspaces/acme/machines", "admin", "{}");
        Names["{machine}"] = (machine.Json.GetProperty("machine").GetProperty("id").GetString()!, "machine_01k00000000000000000000000");
        (await Server.PutAsync("/v1/workspaces/acme/machine-identities/vm", Identity)).Made();
        Names["{entry}"] = (await MakeCacheEntryAsync("key"), "4711");
        Names["{event}"] = ((await Server.GetAsync("/v1/audit?limit=1")).Headers.GetValues("Lanyard-Next").Single(), "evt_01k00000000000000000000000");

        Server.Be("no-role");
        Server.Be("other-workspace", new RoleBinding(new Scope(other, null), Role.Admin));
        Server.Be("sibling-collection", new RoleBinding(new Scope(acme, sibling), Role.Admin));
        Be("runner", PrincipalKind.Runner, "rnr_01k00000000000000000000000", acme);
        Be("run", PrincipalKind.Run, "run_01k00000000000000000000000", acme);
        Be("pod", PrincipalKind.Pod, "run_01k00000000000000000000000", acme);
        Be("machine", PrincipalKind.Machine, "machine_01k00000000000000000000000", acme);
    }

    /// <summary>Put in behind the trial, for which a real cluster is needed.</summary>
    private async Task FillClustersAsync(params string[] workspaceIds)
    {
        var jwks = JsonDocument.Parse(Jwks).RootElement;
        var spec = new ClusterSpec("https://kube.example", new ClusterKeys(Jwks: jwks), new ClusterSubject("runners", "runner"));
        var report = new TrialReport(true, []);
        foreach (var id in workspaceIds)
        {
            Assert.False((await Server.Services.GetRequiredService<ClusterStore>().PutAsync(id, "lab", spec, report, default, Filled, CancellationToken.None)).IsRefused);
        }

        var now = TimeProvider.System.GetUtcNow();
        var request = new ClusterRequestView(spec, report, now, now.AddHours(1));
        Assert.False((await Server.Services.GetRequiredService<ClusterRequestStore>().AddAsync("K7QF-2M9D", request, Filled, CancellationToken.None)).IsRefused);
        Names["{code}"] = ("K7QF-2M9D", "00000000");
    }

    private async Task FillRunsAsync()
    {
        await PutAsync("/v1/runners/shared", SharedRunner);
        var own = Speak("own", await PutAsync("/v1/workspaces/acme/runners/own", OwnRunner));
        var foreign = Speak("foreign", await PutAsync("/v1/workspaces/other/runners/foreign", ForeignRunner));
        var now = TimeProvider.System.GetUtcNow();
        Assert.True((await Server.Services.GetRequiredService<RunnerRequestStore>().AddAsync(
            new RunnerRequest(WaitingKey, "{}", "waiting", "host", now.ToUnixTimeMilliseconds(), now.AddHours(1).ToUnixTimeMilliseconds()),
            10,
            now.ToUnixTimeMilliseconds(),
            Filled,
            CancellationToken.None)).Value);
        await own.OpenAsync();
        await foreign.OpenAsync("0123456789abcdef");
        ForeignSession = foreign.Session;
        var run = (await Server.SendAsync(HttpMethod.Post, "/v1/workspaces/acme/collections/infra/runs", "admin", """{"definition":"plan"}""")).Made();
        Assert.Equal(run, await own.TakeAsync());
        Names["{run}"] = (run, "run_01k00000000000000000000000");
    }

    /// <returns>The resource's id.</returns>
    private async Task<string> PutAsync(string path, string spec) => (await Server.PutAsync(path, $$"""{"spec":{{spec}}}""")).Made();

    private SimulatedRunner Speak(string slug, string id)
    {
        Be("runner-" + slug, PrincipalKind.Runner, id, null);
        return new SimulatedRunner(Server.Client, "runner-" + slug, id);
    }

    private void Be(string name, PrincipalKind kind, string subject, string? workspace) => Server.Be(new Principal
    {
        Kind = kind,
        Name = name,
        SubjectId = subject,
        WorkspaceId = workspace,
        Attempt = kind is PrincipalKind.Run or PrincipalKind.Pod ? 1 : null,
        RunnerId = kind == PrincipalKind.Pod ? "rnr_01k00000000000000000000000" : null,
        TokenSha256 = new string('0', 64),
        ExpiresAt = DateTimeOffset.MaxValue,
    });
}
