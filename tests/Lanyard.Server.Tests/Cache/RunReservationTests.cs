using System.Net;
using Lanyard.Server.Http;
using Lanyard.Server.Runtime;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.5")]
public sealed class SqliteRunReservationTests() : RunReservationTests(DatabaseKind.Sqlite);

[Line("4.5")]
[Needs("postgres")]
public sealed class PostgresRunReservationTests() : RunReservationTests(DatabaseKind.Postgres);

/// <summary>Whose a reservation is among the attempts of a run.</summary>
public abstract class RunReservationTests(DatabaseKind kind) : IAsyncLifetime
{
    private CacheServer _server = null!;
    private readonly HashSet<string> _ended = new(StringComparer.Ordinal);
    private string _workspace = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await CacheServer.StartAsync(kind, questions: new RuntimeQuestions(
            SubjectOf: static (principal, _) => ValueTask.FromResult<RuntimeSubject?>(new RuntimeSubject
            {
                Kind = principal.Kind,
                Id = principal.SubjectId!,
                Attempt = principal.Attempt,
                WorkspaceId = principal.WorkspaceId!,
                Repository = "demo/app",
                Ref = "refs/heads/main",
                Scopes = [new ScopeGrant("refs/heads/main", ScopePermission.Read | ScopePermission.Write)],
                TokenSha256 = principal.TokenSha256,
                ExpiresAt = principal.ExpiresAt,
            }),
            HasEnded: (key, _) => ValueTask.FromResult(_ended.Contains(key))));
        _workspace = (await _server.Server.GetAsync("/v1/workspaces/acme")).Json.GetProperty("id").GetString()!;
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null) await _server.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task What_a_lost_attempt_had_begun_is_not_in_the_way_of_the_next_and_not_in_its_entry()
    {
        var (first, second) = (Be("run_a", 1), Be("run_a", 2));
        var lost = await _server.ReserveAsync(first, "k");
        await _server.PutAsync(lost, [1, 1, 1], $"&comp=block&blockid={CacheServer.BlockId("1")}");

        var url = await _server.ReserveAsync(second, "k");
        Assert.Equal(new Uri(url).AbsolutePath, new Uri(await _server.ReserveAsync(second, "k")).AbsolutePath);
        Assert.NotEqual(new Uri(lost).AbsolutePath, new Uri(url).AbsolutePath);
        Assert.Empty(_server.Files);
        Assert.Equal(HttpStatusCode.NotFound, (await _server.PutAsync(lost, [2])).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.PutListAsync(url, CacheServer.BlockId("1"))).StatusCode);

        await _server.SaveAsync(second, "k", [3]);
        Assert.Equal([3], await _server.Client.GetByteArrayAsync(new Uri(await _server.DownloadUrlAsync(second, "k"))));
    }

    [Theory]
    [InlineData("run_a", 2, "run_a", 1)]
    [InlineData("run_a", 1, "run_b", 2)]
    [InlineData("run_a", 1, "run_a1", 2)]
    [InlineData("run_a", 1, "run", 2)]
    public async Task An_earlier_attempt_and_another_run_find_the_key_taken(string owner, int ownAttempt, string run, int attempt)
    {
        await _server.ReserveAsync(Be(owner, ownAttempt), "k");

        var taken = await _server.TwirpAsync(Be(run, attempt), "CreateCacheEntry", $$"""{"key":"k","version":"{{CacheServer.Version}}"}""");

        Assert.Equal((HttpStatusCode.Conflict, "already_exists"), (taken.Status, taken.Json.GetProperty("code").GetString()));
    }

    [Fact]
    public async Task What_an_ended_run_had_begun_is_not_in_the_way_of_another()
    {
        var (first, second) = (Be("run_a", 1), Be("run_b", 1));
        var left = await _server.ReserveAsync(first, "k");
        _ended.Add("run_a.1");

        Assert.NotEqual(new Uri(left).AbsolutePath, new Uri(await _server.ReserveAsync(second, "k")).AbsolutePath);
        Assert.Equal(HttpStatusCode.NotFound, (await _server.PutAsync(left, [2])).StatusCode);
    }

    [Fact]
    public async Task What_an_earlier_attempt_has_finished_stays()
    {
        await _server.SaveAsync(Be("run_a", 1), "k", [1]);

        var taken = await _server.TwirpAsync(Be("run_a", 2), "CreateCacheEntry", $$"""{"key":"k","version":"{{CacheServer.Version}}"}""");

        Assert.Equal(HttpStatusCode.Conflict, taken.Status);
        Assert.Equal("k", await _server.FindAsync(Be("run_a", 2), "k"));
    }

    /// <returns>The bearer.</returns>
    private string Be(string run, int attempt) => _server.Server.Be(new Principal
    {
        Kind = PrincipalKind.Run,
        Name = $"{run}.{attempt}",
        SubjectId = run,
        Attempt = attempt,
        WorkspaceId = _workspace,
        TokenSha256 = new string('1', 64),
        ExpiresAt = DateTimeOffset.MaxValue,
    }).Name;
}
