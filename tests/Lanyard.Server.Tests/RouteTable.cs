namespace Lanyard.Server.Tests;

internal enum Reach
{
    /// <summary>Public by design.</summary>
    Everybody,

    /// <summary>A role in the instance, workspace or collection that the path names.</summary>
    Scoped,

    /// <summary>A list that shows each caller what is its own.</summary>
    OwnOnly,
}

/// <param name="Route">Method and template, as in the OpenAPI document.</param>
/// <param name="Path">One that exists.</param>
/// <param name="MissingPath">The same with names that exist nowhere.</param>
/// <param name="KnownTo">Strangers who are none here.</param>
internal sealed record RouteRow(string Route, Reach Reach, string Path, string MissingPath, string? Body, string? IfMatch, IReadOnlyList<string> KnownTo)
{
    public string Method => Route[..Route.IndexOf(' ', StringComparison.Ordinal)];
}

/// <summary>Every route of the OpenAPI document, with who is behind its wall. A new route needs a row here.</summary>
internal static class RouteTable
{
    private const string Empty = """{"spec":{}}""";
    private const string Definition = """{"spec":{"steps":[{"name":"a","script":"true"}]}}""";

    private static readonly Dictionary<string, (string Existing, string Missing)> Names = new(StringComparer.Ordinal)
    {
        ["{workspace}"] = ("acme", "nothing-w"),
        ["{collection}"] = ("infra", "nothing-c"),
        ["{definition}"] = ("plan", "nothing-d"),
        ["{event}"] = ("EVENT", "evt_nothing"),
        ["{machine}"] = ("MACHINE", "machine_nothing"),
    };

    private static string _event = "";
    private static string _machine = "";

    public static IReadOnlyList<RouteRow> Rows =>
    [
        Row("GET /v1/audit"),
        Row("GET /v1/audit/verify"),
        Row("GET /v1/audit/{event}"),
        Row("GET /v1/workspaces/{workspace}/audit"),
        Row("GET /v1/workspaces", reach: Reach.OwnOnly),
        Row("GET /v1/workspaces/{workspace}"),
        Row("PUT /v1/workspaces/{workspace}", Empty),
        Row("DELETE /v1/workspaces/{workspace}"),
        Row("GET /v1/workspaces/{workspace}/collections", knownTo: "sibling-collection"),
        Row("GET /v1/workspaces/{workspace}/collections/{collection}"),
        Row("PUT /v1/workspaces/{workspace}/collections/{collection}", Empty),
        Row("DELETE /v1/workspaces/{workspace}/collections/{collection}"),
        Row("GET /v1/workspaces/{workspace}/collections/{collection}/definitions"),
        Row("GET /v1/workspaces/{workspace}/collections/{collection}/definitions/{definition}"),
        Row("PUT /v1/workspaces/{workspace}/collections/{collection}/definitions/{definition}", Definition),
        Row("DELETE /v1/workspaces/{workspace}/collections/{collection}/definitions/{definition}"),
        Row("GET /v1/workspaces/{workspace}/machines"),
        Row("POST /v1/workspaces/{workspace}/machines", "{}"),
        Row("GET /v1/workspaces/{workspace}/machines/{machine}"),
        Row("DELETE /v1/workspaces/{workspace}/machines/{machine}"),
    ];

    /// <summary>Makes what the rows' paths name, in workspace acme and collection infra.</summary>
    public static async Task FillAsync(TestServer server)
    {
        (await server.PutAsync("/v1/workspaces/acme/collections/infra/definitions/plan", Definition)).Made();
        var machine = await server.SendAsync(HttpMethod.Post, "/v1/workspaces/acme/machines", "admin", "{}");
        _machine = machine.Json.GetProperty("machine").GetProperty("id").GetString()!;
        _event = (await server.GetAsync("/v1/audit?limit=1")).Headers.GetValues("Lanyard-Next").Single();
    }

    private static RouteRow Row(string route, string? body = null, Reach reach = Reach.Scoped, params string[] knownTo)
    {
        var template = route[(route.IndexOf(' ', StringComparison.Ordinal) + 1)..];
        var (existing, missing) = (template, template);
        foreach (var (hole, names) in Names)
        {
            existing = existing.Replace(hole, names.Existing switch { "EVENT" => _event, "MACHINE" => _machine, var name => name }, StringComparison.Ordinal);
            missing = missing.Replace(hole, names.Missing, StringComparison.Ordinal);
        }

        // A delete that would fail: the rows stay usable for the next caller.
        var ifMatch = route.StartsWith("DELETE", StringComparison.Ordinal) ? "another.1" : route.StartsWith("PUT", StringComparison.Ordinal) ? "*" : null;
        return new RouteRow(route, reach, existing, missing, body, ifMatch, knownTo);
    }
}
