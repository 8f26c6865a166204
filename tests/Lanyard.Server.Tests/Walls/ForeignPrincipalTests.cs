using System.Net;
using System.Text.RegularExpressions;
using Lanyard.Server.Cache.Blobs;
using Lanyard.Testing;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Walls;

/// <summary>
/// Collections are walls: every route of the OpenAPI document, asked by every kind of principal that has no business there, gives the same 404 for what
/// exists as for what does not. A route without a row in <see cref="RouteTable"/> fails.
/// </summary>
[Line("2.11")]
public sealed partial class ForeignPrincipalTests : IAsyncLifetime
{
    /// <summary>
    /// Routes that stand outside the document, because somebody else's describes them (OpenID Connect, OAuth, GitHub's cache protocols), or that tell
    /// the caller about itself. Each has tests of its own.
    /// </summary>
    private static readonly string[] Elsewhere =
    [
        "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/jwks", "/token", "/introspect", "/revoke", "/keys", "/keys/reviews",
        "/oidc/{workspace}/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/oidc/{workspace}",
        "/oidc/{workspace}/jwks", "/oidc/{workspace}/token", "/oidc/{workspace}/introspect", "/oidc/{workspace}/revoke", "/openapi.json",
        "/runtime/whoami", "/runtime/machines", "/runtime/machines/renew", "/runtime/runs", "/runtime/runs/{run}", "/runtime/runs/{run}/extend", "/runtime/runs/{run}/cancel", BlobUrls.Route,
    ];

    private WalledWorld _world = null!;
    private IReadOnlyList<RouteRow> _rows = [];

    public async ValueTask InitializeAsync()
    {
        _world = await WalledWorld.CreateAsync();
        _rows = new RouteTable(_world).Rows;
    }

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Every_route_of_the_document_has_a_row_and_every_row_a_route()
    {
        var document = (await _world.Server.GetAsync("/openapi.json")).Json;
        var documented = document.GetProperty("paths").EnumerateObject().SelectMany(path =>
            path.Value.EnumerateObject().Select(operation => $"{operation.Name.ToUpperInvariant()} {path.Name}"));

        Assert.Equal(documented.Order(StringComparer.Ordinal), _rows.Select(row => row.Route).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_route_outside_the_document_is_named_here()
    {
        var mapped = _world.Server.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Select(endpoint => "/" + Constraint().Replace(endpoint.RoutePattern.RawText!, "}").Trim('/')).Distinct();
        var documented = _rows.Select(row => row.Route[(row.Route.IndexOf(' ', StringComparison.Ordinal) + 1)..]);

        var forgotten = mapped.Except(documented).Except(Elsewhere)
            .Where(route => !route.StartsWith("/twirp/", StringComparison.Ordinal) && !route.StartsWith("/runtime/cache/", StringComparison.Ordinal))
            .ToList();

        Assert.True(forgotten.Count == 0, string.Join('\n', forgotten));
    }

    [Fact]
    public async Task Each_row_works_for_whoever_may()
    {
        foreach (var row in _rows.Where(row => row.Reach is not (Reach.AnyRunner or Reach.OneRunner)))
        {
            var answer = await AskAsync(row, row.Path, "admin");

            Assert.True(row.Works.Contains((int)answer.Status), $"{row.Route}: {answer.Comparable}");
        }

        foreach (var row in _rows.Where(row => row.Reach is Reach.AnyRunner))
        {
            Assert.Equal(HttpStatusCode.OK, (await AskAsync(row, row.Path, "runner-foreign")).Status);
        }
    }

    [Fact]
    public async Task A_stranger_gets_the_same_404_for_what_exists_and_for_what_does_not()
    {
        foreach (var row in _rows.Where(row => row.Reach is not Reach.Everybody))
        {
            foreach (var stranger in StrangersOf(row))
            {
                var existing = await AskAsync(row, row.Path, stranger);
                var missing = await AskAsync(row, row.MissingPath, stranger);

                if (row.Reach == Reach.OwnOnly)
                {
                    Assert.Equal(0, CountOfForeign(existing));
                    continue;
                }

                Assert.True(existing.Status == HttpStatusCode.NotFound, $"{stranger} at {row.Route}: {existing.Comparable}");
                Assert.True(missing.Comparable == existing.Comparable, $"{stranger} at {row.Route}: {existing.Comparable} but {missing.Comparable}");
            }
        }
    }

    [Fact]
    public async Task A_stranger_gets_the_same_404_whatever_else_is_wrong_with_the_request()
    {
        foreach (var row in _rows.Where(row => row.Reach is Reach.Scoped && row.Body is not null && !row.Route.EndsWith("/explain", StringComparison.Ordinal)))
        {
            foreach (var stranger in StrangersOf(row).Where(stranger => !MayApprove(row, stranger)))
            {
                var bad = await _world.Server.SendAsync(new HttpMethod(row.Method), row.Path, stranger, "{ nonsense", row.IfMatch is null ? null : "some-etag");

                Assert.True(bad.Status == HttpStatusCode.NotFound, $"{stranger} at {row.Route}: {bad.Comparable}");
            }
        }
    }

    [Fact]
    public async Task Without_a_token_every_route_is_the_same_401()
    {
        foreach (var row in _rows.Where(row => row.Reach is not Reach.Everybody))
        {
            var existing = await AskAsync(row, row.Path, null);
            var missing = await AskAsync(row, row.MissingPath, null);

            Assert.True(existing.Status == HttpStatusCode.Unauthorized, $"{row.Route}: {existing.Comparable}");
            Assert.Equal(missing.Comparable, existing.Comparable);
        }
    }

    [Fact]
    public async Task What_strangers_tried_has_changed_nothing()
    {
        var before = await CountsAsync();

        foreach (var row in _rows.Where(row => row.Reach is Reach.Scoped or Reach.OneRunner))
        {
            foreach (var stranger in StrangersOf(row))
            {
                await AskAsync(row, row.Path, stranger);
            }
        }

        Assert.Equal(before, await CountsAsync());
    }

    private static IEnumerable<string> StrangersOf(RouteRow row) => WalledWorld.Strangers.Where(stranger =>
        !row.KnownTo.Contains(stranger) && !(row.Reach == Reach.AnyRunner && stranger == "runner-foreign"));

    /// <summary>Whoever administers a workspace may approve hosts for it, so the body is read before it is known whether it is about theirs.</summary>
    private static bool MayApprove(RouteRow row, string stranger) =>
        row.Route.Contains("/runner-requests/", StringComparison.Ordinal) && stranger == "other-workspace";

    /// <summary>Of a list that shows each caller its own: what it shows of acme.</summary>
    private static int CountOfForeign(Answer answer)
    {
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        return answer.Json.GetProperty("items").EnumerateArray().Count(item => item.GetProperty("slug").GetString() == "acme");
    }

    private Task<Answer> AskAsync(RouteRow row, string path, string? principal) =>
        _world.Server.SendAsync(
            new HttpMethod(row.Method),
            path,
            principal,
            row.Body,
            row.IfMatch,
            TakesBytes(row.Route) ? "application/octet-stream" : "application/json",
            row.Reach == Reach.OneRunner ? _world.ForeignSession : null);

    /// <summary>Versions and rows of everything that a route could change.</summary>
    private Task<long?> CountsAsync() => _world.Server.Database.ScalarAsync(
        $"""
        select (select sum(version) from workspaces) + (select sum(version) from collections) + (select sum(version) from definitions)
        + (select sum(version) from clusters) + (select sum(version) from trust_policies) + (select count(*) from runners) + (select count(*) from runs)
        + (select count(*) from signing_keys) + (select count(*) from cluster_requests) + (select count(*) from runner_requests)
        """);

    /// <summary>Logs, plans and states.</summary>
    private static bool TakesBytes(string route) =>
        route.Contains("/attempts/", StringComparison.Ordinal) && new[] { "/log", "/plan", "/state", "/lock", "/unlock" }.Any(end => route.EndsWith(end, StringComparison.Ordinal));

    [GeneratedRegex(@":[a-z]+\}", RegexOptions.CultureInvariant)]
    private static partial Regex Constraint();
}
