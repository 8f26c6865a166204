namespace Lanyard.Server.Tests.Walls;

/// <summary>Every route of the OpenAPI document, with who is behind its wall. A new route needs a row here.</summary>
internal sealed class RouteTable(WalledWorld world)
{
    private const string Empty = """{"spec":{}}""";
    private const string Definition = """{"spec":{"steps":[{"name":"a","script":"true"}]}}""";
    private const string Issuer = """{"spec":{"issuer":"https://ci.example","keys":{"discovery":{}}}}""";
    private const string Policy = """{"spec":{"issuer":"ci","claims":{"sub":"repo:acme/app"},"allow":{"roles":["viewer"]}}}""";

    private static readonly int[] Fine = [200, 201, 202, 204];

    /// <summary>Got through the wall, and failed at what can't be had in this test: a real cluster, a host's key.</summary>
    private static readonly int[] Through = [400, 409, 422];

    public IReadOnlyList<RouteRow> Rows =>
    [
        .. Instance(), .. Workspaces(), .. Trust("/v1"), .. Trust("/v1/workspaces/{workspace}"), .. Clusters(), .. Runners(), .. Runs(), .. Machines(), .. Cache(), .. Protocol(),
    ];

    private IEnumerable<RouteRow> Instance() =>
    [
        Row("GET /metrics"),
        Row("GET /v1/audit"),
        Row("GET /v1/audit/verify"),
        Row("GET /v1/audit/{event}"),
        Row("POST /v1/explain", """{"token":"x"}"""),
        Row("GET /v1/issuer"),
        Row("POST /v1/issuer/rotate", "{}"),
        Row("GET /register.sh", reach: Reach.Everybody),
        Row("POST /v1/cluster-requests", "{}", Reach.Everybody, Through),
        Row("POST /v1/runner/requests", "{}", Reach.Everybody, Through),
    ];

    private IEnumerable<RouteRow> Workspaces()
    {
        const string one = "/v1/workspaces/{workspace}";
        const string collection = one + "/collections/{collection}";
        const string definition = collection + "/definitions/{definition}";
        return
        [
            Row("GET /v1/workspaces", reach: Reach.OwnOnly),
            Row("GET /v1/admin-keys"),
            Row("POST /v1/admin-keys", "{}", works: [400]),
            Row("DELETE /v1/admin-keys/{key}", works: [409]),
            .. Resource(one, Empty),
            Row($"GET {one}/pushed-keys"),
            Row($"POST {one}/pushed-keys/{{record}}/approve", """{"thumbprints":["x"]}""", works: [409]),
            Row($"GET {one}/audit"),
            Row($"POST {one}/explain", """{"token":"x"}"""),
            Row($"POST {one}/github-tokens", "{}", works: [403]),
            Row($"GET {one}/issuer"),
            Row($"POST {one}/issuer/rotate", "{}"),
            Row($"GET {one}/collections", knownTo: "sibling-collection"),
            .. Resource(collection, Empty),
            Row($"GET {collection}/definitions"),
            Row($"GET {definition}/subjects"),
            .. Resource(definition, Definition),
        ];
    }

    private IEnumerable<RouteRow> Trust(string home) =>
    [
        Row($"GET {home}/trusted-issuers"),
        .. Resource($"{home}/trusted-issuers/{{issuer}}", Issuer),
        Row($"POST {home}/trust-policies/{{policy}}/replay", """{"since":"2026-01-01T00:00:00Z"}""", works: [200, 400]),
        Row($"GET {home}/revocations"),
        Row($"POST {home}/revocations", """{"kind":"principal","value":"policy:nobody"}"""),
        Row($"DELETE {home}/revocations/{{revocation}}", works: [404]),
        Row($"GET {home}/trust-policies"),
        .. Resource($"{home}/trust-policies/{{policy}}", Policy),
    ];

    private IEnumerable<RouteRow> Clusters()
    {
        const string home = "/v1/workspaces/{workspace}";
        const string write =
            $$$"""{"spec":{"issuer":"https://kube.example","keys":{"jwks":{{{WalledWorld.Jwks}}}},"runner":{"namespace":"n","serviceAccount":"s"}},"token":"x"}""";
        return
        [
            Row($"GET {home}/clusters"),
            Row($"GET {home}/clusters/{{cluster}}"),
            Row($"PUT {home}/clusters/{{cluster}}", write, works: Through),
            Row($"DELETE {home}/clusters/{{cluster}}", works: [412]),
            Row($"GET {home}/access-entries"),
            .. Resource($"{home}/access-entries/{{entries}}", """{"spec":{"entries":[]}}"""),
            Row($"GET {home}/cluster-requests/{{code}}"),
            Row($"POST {home}/cluster-requests/{{code}}/approve", """{"slug":"approved"}"""),
        ];
    }

    private IEnumerable<RouteRow> Runners()
    {
        const string shared = """{"spec":""" + WalledWorld.SharedRunner + "}";
        const string own = """{"spec":""" + WalledWorld.OwnRunner + "}";
        return
        [
            Row("GET /v1/runners"),
            .. Resource("/v1/runners/{runner}", shared),
            Row("GET /v1/workspaces/{workspace}/runners"),
            .. Resource("/v1/workspaces/{workspace}/runners/{runner}", own),
            Row("GET /v1/runner-requests"),
            Row("POST /v1/runner-requests/{fingerprint}/approve", """{"collections":["acme/infra"]}"""),
        ];
    }

    private IEnumerable<RouteRow> Runs()
    {
        const string home = "/v1/workspaces/{workspace}/collections/{collection}/runs";
        return
        [
            Row($"GET {home}"),
            Row($"POST {home}", """{"definition":"plan"}"""),
            Row($"GET {home}/{{run}}"),
            Row($"GET {home}/{{run}}/why"),
            Row($"GET {home}/{{run}}/logs"),
            Row($"GET {home}/{{run}}/logs/stream", works: Through),
            Row($"POST {home}/{{run}}/approve", works: [409]),
            Row($"POST {home}/{{run}}/discard", works: [409]),
            Row("GET /v1/workspaces/{workspace}/collections/{collection}/states"),
            Row("GET /v1/workspaces/{workspace}/collections/{collection}/states/{state}/versions", works: [404]),
            Row("GET /v1/workspaces/{workspace}/collections/{collection}/states/{state}/versions/{version}", works: [404]),
            Row("PUT /v1/workspaces/{workspace}/collections/{collection}/states/{state}", """{"version":4,"serial":1,"lineage":"l"}""", works: [412]),
            Row("DELETE /v1/workspaces/{workspace}/collections/{collection}/states/{state}", works: [404]),
            Row("DELETE /v1/workspaces/{workspace}/collections/{collection}/states/{state}/locks/{lock}", works: [404]),
            Row($"POST {home}/{{run}}/cancel"),
        ];
    }

    private IEnumerable<RouteRow> Machines()
    {
        const string home = "/v1/workspaces/{workspace}/machines";
        const string identities = "/v1/workspaces/{workspace}/machine-identities";
        return
        [
            Row($"GET {home}"), Row($"POST {home}", "{}"), Row($"GET {home}/{{machine}}"), Row($"DELETE {home}/{{machine}}"),
            Row($"GET {identities}"), .. Resource($"{identities}/{{identity}}", WalledWorld.Identity),
        ];
    }

    private IEnumerable<RouteRow> Cache()
    {
        const string home = "/v1/workspaces/{workspace}/cache";
        const string selection = """{"producer":{"subject":"machine_nobody"}}""";
        return
        [
            Row($"GET {home}/entries"),
            Row($"GET {home}/entries/{{entry}}"),
            Row($"DELETE {home}/entries/{{entry}}"),
            Row($"GET {home}/usage"),
            Row($"POST {home}/quarantine", selection),
            Row($"POST {home}/release", selection),
            Row($"POST {home}/delete", selection),
            Row($"GET {home}/settings"),
            Row($"PUT {home}/settings", "{}", works: [412]),
        ];
    }

    private IEnumerable<RouteRow> Protocol()
    {
        const string attempt = "/v1/runner/attempts/{run}/{attempt}";
        var session = $$"""{"session":"{{world.ForeignSession}}"}""";
        return
        [
            Row("POST /v1/runner/session", """{"nonce":"0123456789abcdef","version":"1","concurrency":1,"labels":[],"executors":["process"],"sandboxed":true}""", Reach.AnyRunner),
            Row("POST /v1/runner/poll", $$"""{"session":"{{world.ForeignSession}}","free":1,"waitSeconds":0,"holds":[]}""", Reach.AnyRunner),
            Row("POST /v1/runner/heartbeat", $$"""{"session":"{{world.ForeignSession}}","holds":[]}""", Reach.AnyRunner),
            Row("POST /v1/runner/calls", $$"""{"calls":[{"kind":"start","run":"run_01k00000000000000000000000","attempt":1,"body":{{session}}}]}""", Reach.AnyRunner),
            Row($"POST {attempt}/accept", session, Reach.OneRunner),
            Row($"POST {attempt}/start", session, Reach.OneRunner),
            Row($"GET {attempt}/plan", reach: Reach.OneRunner),
            Row($"PUT {attempt}/plan", "x", Reach.OneRunner),
            Row($"GET {attempt}/state", reach: Reach.OneRunner),
            Row($"POST {attempt}/state", "x", Reach.OneRunner),
            Row($"POST {attempt}/state/lock", "{}", Reach.OneRunner),
            Row($"POST {attempt}/state/unlock", "{}", Reach.OneRunner),
            Row($"PUT {attempt}/steps/{{step}}", $$"""{"session":"{{world.ForeignSession}}","state":"running"}""", Reach.OneRunner),
            Row($"POST {attempt}/log", "a line", Reach.OneRunner),
            Row($"PUT {attempt}/pod", $$"""{"session":"{{world.ForeignSession}}","namespace":"n","name":"p","uid":"u","serviceAccount":"s"}""", Reach.OneRunner),
            Row($"POST {attempt}/events", $$"""{"session":"{{world.ForeignSession}}","events":[{"key":"k","at":"2026-01-01T00:00:00Z","reason":"Pulled","message":"m"}]}""", Reach.OneRunner),
            Row($"POST {attempt}/hold", """{"waitSeconds":0}""", Reach.OneRunner),
            Row(
                $"POST {attempt}/end",
                $$"""{"session":"{{world.ForeignSession}}","outcome":"succeeded","logBytes":0,"logSha256":"{{new string('0', 64)}}"}""",
                Reach.OneRunner),
        ];
    }

    /// <summary>Read, replace, and a delete that would fail: what the rows name stays for the next caller.</summary>
    private IEnumerable<RouteRow> Resource(string path, string body) => [Row($"GET {path}"), Row($"PUT {path}", body), Row($"DELETE {path}", works: [412])];

    private RouteRow Row(string route, string? body = null, Reach reach = Reach.Scoped, int[]? works = null, params string[] knownTo)
    {
        var template = route[(route.IndexOf(' ', StringComparison.Ordinal) + 1)..];
        var (existing, missing) = (template, template);
        foreach (var (hole, names) in world.Names)
        {
            existing = existing.Replace(hole, names.Existing, StringComparison.Ordinal);
            missing = missing.Replace(hole, names.Missing, StringComparison.Ordinal);
        }

        // There are two of a name in the instance's and the workspace's runners.
        existing = existing.Replace("/v1/runners/own", "/v1/runners/shared", StringComparison.Ordinal);
        if (route.EndsWith("/log", StringComparison.Ordinal))
        {
            existing += "?offset=0";
            missing += "?offset=0";
        }

        if (route.EndsWith("/stream", StringComparison.Ordinal))
        {
            // It would go on until the run ends.
            existing += "?from=nowhere";
            missing += "?from=nowhere";
        }

        var ifMatch = route.StartsWith("DELETE", StringComparison.Ordinal) ? "another.1" : body is not null && route.StartsWith("PUT", StringComparison.Ordinal) ? "*" : null;
        return new RouteRow(route, reach, existing, missing, body, ifMatch, works ?? Fine, knownTo);
    }
}
