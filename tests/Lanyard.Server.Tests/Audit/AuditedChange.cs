using System.Net;
using Lanyard.Identity.Federation;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Clusters;
using Lanyard.Server.Federation;
using Lanyard.Server.Machines;
using Lanyard.Server.Runners;
using Lanyard.Server.Runs;
using Lanyard.Server.Runs.Opentofu;
using Lanyard.Server.Tests.Walls;
using Xunit;

namespace Lanyard.Server.Tests.Audit;

/// <summary>
/// A change, and the event that tells of it. Most are made by a call; what a call alone can't make (another's token, a real cluster) by the store that the call uses.
/// </summary>
/// <param name="Route">As <see cref="RouteTable"/> has it; or who makes the change, where it is no route of the document.</param>
/// <param name="Prepare">Answers an id for <paramref name="MakeAsync"/>.</param>
/// <param name="MakeAsync">Whether it was made; what throws has not made it.</param>
internal sealed record AuditedChange(string Action, string Route, Func<WalledWorld, Task<string>> Prepare, Func<WalledWorld, string, Task<bool>> MakeAsync)
{
    private const string Workspace = "/v1/workspaces/{workspace}";
    private const string Collection = Workspace + "/collections/{collection}";
    private const string Empty = """{"spec":{}}""";
    private const string Definition = """{"spec":{"steps":[{"name":"a","script":"true"}]}}""";
    private const string Issuer = """{"spec":{"issuer":"https://other.example","keys":{"discovery":{}}}}""";
    private const string Policy = """{"spec":{"issuer":"ci","claims":{"sub":"repo:acme/app"},"allow":{"roles":["viewer"]}}}""";
    private const string SharedRunner = """{"spec":{"collections":["acme/infra"],"identity":{"cluster":"acme/lab","subject":"system:serviceaccount:runners:two"}}}""";
    private const string OwnRunner = """{"spec":{"collections":["infra"],"identity":{"cluster":"lab","subject":"system:serviceaccount:runners:three"}}}""";
    private const string NewKey = """{"name":"a","jwk":{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}}""";
    private const string Everything = """{"producer":{"repository":"demo/app"}}""";

    public static IReadOnlyList<AuditedChange> All { get; } =
    [
        .. Resource("workspace", "/v1/workspaces/{workspace}", Empty), .. Resource("collection", Collection, Empty), .. Resource("definition", Collection + "/definitions/{definition}", Definition),
        .. Resource("trusted-issuer", "/v1/trusted-issuers/{issuer}", Issuer), .. Resource("trusted-issuer", Workspace + "/trusted-issuers/{issuer}", Issuer),
        .. Resource("trust-policy", "/v1/trust-policies/{policy}", Policy), .. Resource("trust-policy", Workspace + "/trust-policies/{policy}", Policy),
        .. Resource("runner", "/v1/runners/{runner}", SharedRunner), .. Resource("runner", Workspace + "/runners/{runner}", OwnRunner),
        .. Resource("access-entries", Workspace + "/access-entries/{entries}", """{"spec":{"entries":[]}}"""),
        .. Resource("machine-identity", Workspace + "/machine-identities/{identity}", WalledWorld.Identity),
        .. Clusters(), .. Keys(), .. Hosts(), .. Runs(), .. Cache(),
    ];

    private static AuditEvent Told(string action) => new(action);

    /// <summary>Made, replaced and deleted, under a name of its own.</summary>
    private static IEnumerable<AuditedChange> Resource(string kind, string route, string body)
    {
        var template = route[..route.LastIndexOf('{')];
        var (put, delete) = ($"PUT {route}", $"DELETE {route}");
        return
        [
            new($"{kind}.put", put, Nothing, (world, _) => CallAsync(world, "PUT", template + "made", body)),
            new($"{kind}.put", put, Made("changed"), (world, _) => CallAsync(world, "PUT", template + "changed", body, "*")),
            new($"{kind}.delete", delete, Made("gone"), (world, _) => CallAsync(world, "DELETE", template + "gone", null, "*")),
        ];

        // One runner can have the subject, so the one before goes first.
        Func<WalledWorld, Task<string>> Made(string slug) => async world =>
        {
            if (kind == "runner") await CallAsync(world, "DELETE", template + (slug == "gone" ? "changed" : "made"), null, "*");
            Assert.True(await CallAsync(world, "PUT", template + slug, body));
            return "";
        };
    }

    private static IEnumerable<AuditedChange> Clusters() =>
    [
        new("cluster.approve", $"POST {Workspace}/cluster-requests/{{code}}/approve", Nothing, (world, _) =>
            CallAsync(world, "POST", Workspace + "/cluster-requests/{code}/approve", """{"slug":"approved"}""")),
        new("cluster.delete", $"DELETE {Workspace}/clusters/{{cluster}}", Nothing, (world, _) => CallAsync(world, "DELETE", Workspace + "/clusters/approved", null, "*")),
        new("cluster.request", "POST /v1/cluster-requests", Nothing, async (world, _) =>
            !(await world.Service<ClusterRequestStore>().AddAsync("0000-0000", Asked(world), Told("cluster.request"), CancellationToken.None)).IsRefused),
        new("cluster.register", $"PUT {Workspace}/clusters/{{cluster}}", Nothing, async (world, _) => !(await world.Service<ClusterStore>().PutAsync(
            await world.IdAsync("/v1/workspaces/acme"), "second", Asked(world).Spec, Asked(world).Report, default, Told("cluster.register"), CancellationToken.None)).IsRefused),
    ];

    private static ClusterRequestView Asked(WalledWorld world)
    {
        using var jwks = System.Text.Json.JsonDocument.Parse(WalledWorld.Jwks);
        var spec = new ClusterSpec("https://kube.example", new ClusterKeys(Jwks: jwks.RootElement.Clone()), new ClusterSubject("runners", "runner"));
        var now = world.Service<TimeProvider>().GetUtcNow();
        return new ClusterRequestView(spec, new TrialReport(true, []), now, now.AddHours(1));
    }

    private static IEnumerable<AuditedChange> Keys() =>
    [
        new("admin-key.add", "POST /v1/admin-keys", Nothing, (world, _) => CallAsync(world, "POST", "/v1/admin-keys", NewKey)),
        new("admin-key.add", "a host's first start", static _ => Task.FromResult(Directory.CreateTempSubdirectory("lanyard-host-").FullName), async (world, folder) =>
        {
            await world.Service<AdminKeys>().EnsureAsync(folder, CancellationToken.None);
            return true;
        }),
        new("admin-key.remove", "DELETE /v1/admin-keys/{key}", Nothing, (world, _) => CallAsync(world, "DELETE", "/v1/admin-keys/{key}")),
        .. Revocation("/v1"), .. Revocation(Workspace),
        new("token.revoke", "the revocation endpoint", Nothing, async (world, _) =>
        {
            await world.Service<TokenMemory>().RevokeAsync("one", world.Service<TimeProvider>().GetUtcNow().AddHours(1), Told("token.revoke"), CancellationToken.None);
            return world.Service<TokenMemory>().IsRevoked(["jti one"]);
        }),
        new("issuer.key", "POST /v1/issuer/rotate", Nothing, (world, _) => CallAsync(world, "POST", "/v1/issuer/rotate", """{"now":true}""")),
        new("issuer.key", $"POST {Workspace}/issuer/rotate", Nothing, (world, _) => CallAsync(world, "POST", Workspace + "/issuer/rotate", """{"now":true}""")),
        new("keys.push", "the pusher of a cluster's keys", Nothing, (world, _) => PushAsync(world, "keys.push", static keys => keys with { Pending = keys.Current })),
        new("keys.approve", $"POST {Workspace}/pushed-keys/{{record}}/approve", Nothing, (world, _) => PushAsync(world, "keys.approve", static keys => keys with { Pending = null })),
        new("keys.stale", "the sweep", Nothing, (world, _) =>
            world.Service<PushedKeyStore>().TryMarkStaleAsync(world.Names["{record}"].Existing, Told("keys.stale"), static () => { }, CancellationToken.None)),
    ];

    private static async Task<bool> PushAsync(WalledWorld world, string action, Func<PushedKeySet, PushedKeySet> change) =>
        !(await world.Service<PushedKeyStore>().ChangeAsync(world.Names["{record}"].Existing, keys => change(keys), _ => Told(action), CancellationToken.None)).IsRefused;

    private static IEnumerable<AuditedChange> Revocation(string home) =>
    [
        new("revocation.add", $"POST {home}/revocations", Nothing, (world, _) => CallAsync(world, "POST", home + "/revocations", """{"kind":"principal","value":"policy:nobody"}""")),
        new("revocation.remove", $"DELETE {home}/revocations/{{revocation}}",
            async world => (await world.Server.SendAsync(HttpMethod.Post, PathOf(world, home + "/revocations"), "admin", """{"kind":"principal","value":"policy:a"}""")).Made(),
            (world, id) => CallAsync(world, "DELETE", $"{home}/revocations/{id}")),
    ];

    private static IEnumerable<AuditedChange> Hosts()
    {
        return
        [
            new("machine.create", $"POST {Workspace}/machines", Nothing, (world, _) => CallAsync(world, "POST", Workspace + "/machines", "{}")),
            new("machine.renew", "the machine itself", Nothing, async (world, _) =>
            {
                var machine = await world.Service<MachineStore>().FindAsync(world.Names["{machine}"].Existing, CancellationToken.None);
                return await world.Service<MachineStore>().RenewAsync(
                    machine!, machine!.ExpiresAt.AddHours(1), machine.CreatedAt, Told("machine.renew"), static () => { }, CancellationToken.None);
            }),
            new("machine.delete", $"DELETE {Workspace}/machines/{{machine}}", Nothing, (world, _) => CallAsync(world, "DELETE", Workspace + "/machines/{machine}")),
            new("runner.approve", "POST /v1/runner-requests/{fingerprint}/approve", Nothing, (world, _) =>
                CallAsync(world, "POST", "/v1/runner-requests/{fingerprint}/approve", """{"collections":["acme/infra"]}""")),
            new("runner.request", "POST /v1/runner/requests", Nothing, async (world, _) =>
            {
                var asked = new RunnerRequest(new string('q', 43), "{}", "asking", "host", 1, long.MaxValue);
                return !(await world.Service<RunnerRequestStore>().AddAsync(asked, 10, 1, Told("runner.request"), CancellationToken.None)).IsRefused;
            }),
        ];
    }

    private static IEnumerable<AuditedChange> Runs() =>
    [
        new("run.create", $"POST {Collection}/runs", Nothing, (world, _) => CallAsync(world, "POST", Collection + "/runs", """{"definition":"plan"}""")),
        new("state.push", $"PUT {Collection}/states/{{state}}", Nothing, (world, _) => CallAsync(world, "PUT", Collection + "/states/net", """{"version":4,"serial":1,"lineage":"l"}""")),
        new("state.delete", $"DELETE {Collection}/states/{{state}}", async world =>
        {
            Assert.True(await CallAsync(world, "PUT", Collection + "/states/forgotten", """{"version":4,"serial":1,"lineage":"l"}"""));
            return "";
        }, (world, _) => CallAsync(world, "DELETE", Collection + "/states/forgotten", null, "*")),
        new("state.put", "an attempt", LockedAsync, async (world, collection) => !(await world.Service<StateStore>().PutAsync(
            collection, "net", ("run_1", 1), "held", "{}"u8.ToArray(), 1, Told("state.put"), CancellationToken.None)).IsRefused),
        new("state.unlock", "an attempt", LockedAsync, (world, collection) =>
            world.Service<StateStore>().GiveBackAsync(collection, "net", "held", ("run_1", 1), Told("state.unlock"), CancellationToken.None)),
        new("state.lock", "an attempt", Infra, async (world, collection) => await world.Service<StateStore>().LockAsync(
            collection, "net", new StateLock("other", "{}", "run_1", 2, "plan", 1), Told("state.lock"), CancellationToken.None) is null),
        new("plan.put", "an attempt", PlanningAsync, (world, run) => world.Service<PlanStore>().PutAsync(run, 1, "plan"u8.ToArray(), 1, Told("plan.put"), CancellationToken.None)),
        new("attempt.pod", "a runner", Nothing, (world, _) => world.Service<PodStore>().BindAsync(
            new AttemptPod(world.Names["{run}"].Existing, 1, "rnr_1", "clu_1", "runs", "pod", "uid", "run"), 1, Told("attempt.pod"), CancellationToken.None)),
        new("runner.session", "a runner", Nothing, async (world, _) => (await world.Server.SendAsync(
            HttpMethod.Post, "/v1/runner/session", "runner-own",
            """{"nonce":"a-nonce-of-its-own","version":"2","concurrency":1,"labels":[],"executors":["process"],"sandboxed":true}""")).Status == HttpStatusCode.OK),
        new("state.unlock", $"DELETE {Collection}/states/{{state}}/locks/{{lock}}", LockedAsync, (world, _) => CallAsync(world, "DELETE", Collection + "/states/net/locks/held")),
    ];

    private static Task<string> Infra(WalledWorld world) => world.IdAsync("/v1/workspaces/acme/collections/infra");

    private static async Task<string> PlanningAsync(WalledWorld world)
    {
        var run = world.Names["{run}"].Existing;
        await world.Server.Database.ExecuteAsync($"update runs set phase = 'plan' where id = {run}");
        return run;
    }

    private static async Task<string> LockedAsync(WalledWorld world)
    {
        var collection = await Infra(world);
        await world.Service<StateStore>().LockAsync(collection, "net", new StateLock("held", "{}", "run_1", 1, "plan", 1), Told("test.lock"), CancellationToken.None);
        return collection;
    }

    private static IEnumerable<AuditedChange> Cache() =>
    [
        new("cache.settings", $"PUT {Workspace}/cache/settings", Nothing, (world, _) => CallAsync(world, "PUT", Workspace + "/cache/settings", "{}")),
        new("cache.quarantine", $"POST {Workspace}/cache/quarantine", FinishedAsync, (world, _) => CallAsync(world, "POST", Workspace + "/cache/quarantine", Everything)),
        new("cache.release", $"POST {Workspace}/cache/release", Nothing, (world, _) => CallAsync(world, "POST", Workspace + "/cache/release", Everything)),
        new("cache.delete", $"DELETE {Workspace}/cache/entries/{{entry}}", Nothing, (world, _) => CallAsync(world, "DELETE", Workspace + "/cache/entries/{entry}")),
        new("cache.delete", $"POST {Workspace}/cache/delete", async world =>
        {
            await world.MakeCacheEntryAsync("another");
            return "";
        }, (world, _) => CallAsync(world, "POST", Workspace + "/cache/delete", Everything)),
    ];

    private static async Task<string> FinishedAsync(WalledWorld world)
    {
        await world.Server.Database.ExecuteAsync($"update cache_entries set state = 'ready' where state = 'pending'");
        return "";
    }

    private static Task<string> Nothing(WalledWorld world) => Task.FromResult("");

    private static async Task<bool> CallAsync(WalledWorld world, string method, string path, string? body = null, string? ifMatch = null)
    {
        var answer = await world.Server.SendAsync(new HttpMethod(method), PathOf(world, path), "admin", body, ifMatch);
        Assert.True((int)answer.Status is 200 or 201 or 204 or 503, $"{method} {path}: {answer.Body}");
        return (int)answer.Status < 300;
    }

    private static string PathOf(WalledWorld world, string path)
    {
        foreach (var (hole, names) in world.Names) path = path.Replace(hole, names.Existing, StringComparison.Ordinal);
        return path;
    }
}
