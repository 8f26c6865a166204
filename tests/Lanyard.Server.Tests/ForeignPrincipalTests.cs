using System.Net;
using System.Text.Json;
using Lanyard.Server.Http;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests;

/// <summary>
/// Collections are walls: every route of the OpenAPI document, asked by every kind of principal that has no business there, gives the same 404 for what
/// exists as for what does not. A route without a row in <see cref="RouteTable"/> fails.
/// </summary>
[Line("2.11")]
public sealed class ForeignPrincipalTests : IAsyncLifetime
{
    private static readonly string[] Strangers = ["no-role", "other-workspace", "sibling-collection", "runner", "run", "machine"];

    private TestServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await TestServer.StartAsync();
        var acme = await _server.MakeWorkspaceAsync("acme");
        var other = await _server.MakeWorkspaceAsync("other");
        var infra = await _server.MakeCollectionAsync("acme", "infra");
        var sibling = await _server.MakeCollectionAsync("acme", "sibling");
        await RouteTable.FillAsync(_server);
        _server.Be("no-role");
        _server.Be("other-workspace", new RoleBinding(new Scope(other, null), Role.Admin));
        _server.Be("sibling-collection", new RoleBinding(new Scope(acme, sibling), Role.Admin));
        Be("runner", PrincipalKind.Runner, "rnr_01k00000000000000000000000", acme);
        Be("run", PrincipalKind.Run, "run_01k00000000000000000000000", acme);
        Be("machine", PrincipalKind.Machine, "machine_01k00000000000000000000000", acme);
        Assert.NotEqual(infra, sibling);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Every_route_of_the_document_has_a_row_and_every_row_a_route()
    {
        var documented = await DocumentedRoutesAsync();

        Assert.Equal(documented.Order(StringComparer.Ordinal), RouteTable.Rows.Select(row => row.Route).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Each_row_works_for_whoever_may()
    {
        foreach (var row in RouteTable.Rows)
        {
            var answer = await _server.SendAsync(new HttpMethod(row.Method), row.Path, "admin", row.Body, row.IfMatch);

            Assert.True(
                row.Method == "DELETE" ? answer.Status is HttpStatusCode.PreconditionFailed or HttpStatusCode.NoContent : (int)answer.Status is 200 or 201,
                $"{row.Route}: {answer.Comparable}");
        }
    }

    [Fact]
    public async Task A_stranger_gets_the_same_404_for_what_exists_and_for_what_does_not()
    {
        foreach (var row in RouteTable.Rows.Where(row => row.Reach is not Reach.Everybody))
        {
            foreach (var stranger in Strangers.Where(stranger => !row.KnownTo.Contains(stranger)))
            {
                var existing = await _server.SendAsync(new HttpMethod(row.Method), row.Path, stranger, row.Body, row.IfMatch);
                var missing = await _server.SendAsync(new HttpMethod(row.Method), row.MissingPath, stranger, row.Body, row.IfMatch);

                if (row.Reach == Reach.OwnOnly)
                {
                    Assert.Equal(0, CountOfForeign(existing));
                    continue;
                }

                Assert.True(existing.Status == HttpStatusCode.NotFound, $"{stranger} at {row.Route}: {existing.Comparable}");
                Assert.Equal(missing.Comparable, existing.Comparable);
            }
        }
    }

    [Fact]
    public async Task A_stranger_gets_the_same_404_whatever_else_is_wrong_with_the_request()
    {
        foreach (var row in RouteTable.Rows.Where(row => row.Reach is not (Reach.Everybody or Reach.OwnOnly) && row.Method != "GET"))
        {
            var bad = await _server.SendAsync(new HttpMethod(row.Method), row.Path, "other-workspace", "{ nonsense", "some-etag");

            Assert.True(bad.Status == HttpStatusCode.NotFound, $"{row.Route}: {bad.Comparable}");
        }
    }

    [Fact]
    public async Task Without_a_token_every_route_is_the_same_401()
    {
        foreach (var row in RouteTable.Rows.Where(row => row.Reach is not Reach.Everybody))
        {
            var existing = await _server.SendAsync(new HttpMethod(row.Method), row.Path, null, row.Body, row.IfMatch);
            var missing = await _server.SendAsync(new HttpMethod(row.Method), row.MissingPath, null, row.Body, row.IfMatch);

            Assert.True(existing.Status == HttpStatusCode.Unauthorized, $"{row.Route}: {existing.Comparable}");
            Assert.Equal(missing.Comparable, existing.Comparable);
        }
    }

    /// <summary>Of a list that shows each caller its own: what it shows of acme.</summary>
    private static int CountOfForeign(Answer answer)
    {
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        return answer.Json.GetProperty("items").EnumerateArray().Count(item => item.GetProperty("slug").GetString() == "acme");
    }

    private void Be(string name, PrincipalKind kind, string subject, string workspace) => _server.Be(new Principal
    {
        Kind = kind,
        Name = name,
        SubjectId = subject,
        WorkspaceId = workspace,
        Attempt = kind == PrincipalKind.Run ? 1 : null,
        TokenSha256 = new string('0', 64),
        ExpiresAt = DateTimeOffset.MaxValue,
    });

    private async Task<List<string>> DocumentedRoutesAsync()
    {
        var document = (await _server.GetAsync("/openapi.json")).Json;
        return
        [
            .. document.GetProperty("paths").EnumerateObject().SelectMany(path =>
                path.Value.EnumerateObject().Select(operation => $"{operation.Name.ToUpperInvariant()} {path.Name}")),
        ];
    }
}
