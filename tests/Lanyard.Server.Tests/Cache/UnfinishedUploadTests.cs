using System.Net;
using Lanyard.Server.Cache;
using Lanyard.Server.Cache.Limits;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.7")]
public sealed class SqliteUnfinishedUploadTests() : UnfinishedUploadTests(DatabaseKind.Sqlite);

[Line("4.7")]
[Needs("postgres")]
public sealed class PostgresUnfinishedUploadTests() : UnfinishedUploadTests(DatabaseKind.Postgres);

/// <summary>Who reserves and uploads and finalises nothing gets no further than the quotas.</summary>
public abstract class UnfinishedUploadTests(DatabaseKind kind) : IAsyncLifetime
{
    private readonly ManualTime _time = new(DateTimeOffset.FromUnixTimeSeconds(1_900_000_000));
    private CacheServer _server = null!;
    private string _machine = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await CacheServer.StartAsync(kind, _time);
        _machine = await _server.MachineAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null) await _server.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData("""{"workspaceBytes":300}""")]
    [InlineData("""{"repositoryBytes":300}""")]
    public async Task Blocks_beyond_the_quota_are_refused_in_the_clients_words_and_store_nothing_until_something_is_finalised_or_given_up(string settings)
    {
        await SetAsync(settings);
        await PutAsync("a", 100, HttpStatusCode.Created);
        await PutAsync("b", 150, HttpStatusCode.Created);
        await PutAsync("c", 51, HttpStatusCode.RequestEntityTooLarge);
        Assert.Equal(2, _server.Files.Count);
        await PutAsync("c", 50, HttpStatusCode.Created);
        await PutAsync("c", 1, HttpStatusCode.RequestEntityTooLarge, block: "more");

        Assert.True((await _server.FinalizeAsync(_machine, "a", 100)).Json.GetProperty("ok").GetBoolean());
        await PutAsync("d", 100, HttpStatusCode.Created);
        await PutAsync("e", 1, HttpStatusCode.RequestEntityTooLarge);

        // Nobody goes on with them.
        _time.Advance(TimeSpan.FromHours(2));
        await _server.Server.Services.GetRequiredService<CacheSweeper>().SweepAsync(CancellationToken.None);
        _machine = await _server.MachineAsync();
        await PutAsync("f", 300, HttpStatusCode.Created);
    }

    [Fact]
    public async Task What_an_ended_machine_had_uploaded_makes_room_at_the_next_sweep_and_what_a_living_one_has_stays()
    {
        await SetAsync("""{"workspaceBytes":300}""");
        var (ended, living) = (await _server.MachineAsync(), _machine);
        await PutAsync("left", 100, HttpStatusCode.Created);
        _machine = ended;
        await PutAsync("ended", 150, HttpStatusCode.Created);
        await PutAsync("more", 50, HttpStatusCode.Created);
        await _server.Server.DeleteAsync($"/v1/workspaces/acme/machines/{ended}");
        _machine = await _server.MachineAsync();
        await PutAsync("new", 200, HttpStatusCode.RequestEntityTooLarge);

        var sweeper = _server.Server.Services.GetRequiredService<CacheSweeper>();
        Assert.Equal((0, 2), (await sweeper.SweepAsync(CancellationToken.None), await sweeper.SweepEndedAsync(CancellationToken.None)));

        await PutAsync("new", 200, HttpStatusCode.Created);
        Assert.True((await _server.FinalizeAsync(living, "left", 100)).Json.GetProperty("ok").GetBoolean());
        await _server.Server.Services.GetRequiredService<CacheEvictor>().SweepAsync(CancellationToken.None);
        Assert.Equal(2, _server.Files.Count);
    }

    [Fact]
    public async Task Of_many_blocks_at_once_no_more_are_taken_than_fit()
    {
        await SetAsync("""{"workspaceBytes":1000}""");
        var urls = new List<string>();
        for (var i = 0; i < 40; i++) urls.Add(await _server.ReserveAsync(_machine, $"k{i}"));

        var answers = await Task.WhenAll(urls.Select(url => _server.PutAsync(url, new byte[100], "&comp=block&blockid=AAAA")));

        Assert.Equal(10, answers.Count(static answer => answer.StatusCode == HttpStatusCode.Created));
        Assert.All(answers.Where(static answer => answer.StatusCode != HttpStatusCode.Created), static answer => Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode));
        Assert.Equal(10, _server.Files.Count);
    }

    [Fact]
    public async Task A_repository_that_finishes_nothing_takes_nothing_from_another_and_a_workspace_nothing_from_others()
    {
        await SetAsync("""{"repositoryBytes":100,"workspaceBytes":150}""");
        await PutAsync("a", 100, HttpStatusCode.Created);
        await PutAsync("b", 1, HttpStatusCode.RequestEntityTooLarge);
        _machine = await _server.MachineAsync("demo/second");
        await PutAsync("a", 50, HttpStatusCode.Created);
        await PutAsync("b", 1, HttpStatusCode.RequestEntityTooLarge);

        await _server.Server.MakeWorkspaceAsync("other");
        _machine = await _server.MachineAsync(workspace: "other");
        await PutAsync("a", 1000, HttpStatusCode.Created);
    }

    [Theory]
    [InlineData("""{"repositoryBytes":1000,"entryBytes":300}""")]
    [InlineData("""{"workspaceBytes":1000,"entryBytes":300}""")]
    public async Task Pull_requests_that_upload_and_finalise_nothing_keep_no_branch_from_saving(string settings)
    {
        await SetAsync(settings);
        var main = _machine;
        foreach (var number in (int[])[1, 2])
        {
            _machine = await _server.MachineAsync(gitRef: $"refs/pull/{number}/merge");
            await PutAsync("a", 250, HttpStatusCode.Created);
            await PutAsync("b", 251, HttpStatusCode.RequestEntityTooLarge);
        }

        await PutAsync("c", 1, HttpStatusCode.RequestEntityTooLarge);
        _machine = main;
        await PutAsync("a", 300, HttpStatusCode.Created);
        await PutAsync("b", 200, HttpStatusCode.Created);
        await PutAsync("c", 1, HttpStatusCode.RequestEntityTooLarge);
    }

    [Fact]
    public async Task One_entry_of_a_pull_request_may_be_as_large_as_any()
    {
        await SetAsync("""{"repositoryBytes":300}""");
        _machine = await _server.MachineAsync(gitRef: "refs/pull/1/merge");

        await PutAsync("a", 300, HttpStatusCode.Created);
    }

    [Fact]
    public async Task A_body_that_breaks_off_and_a_block_that_is_sent_again_count_once_or_not_at_all()
    {
        await SetAsync("""{"workspaceBytes":200}""");
        for (var i = 0; i < 5; i++) await PutAsync("a", 60, HttpStatusCode.Created);
        for (var i = 0; i < 5; i++) await PutAsync("gone", 30, HttpStatusCode.Conflict, gone: true);
        await PutAsync("b", 140, HttpStatusCode.Created);
        await PutAsync("b", 1, HttpStatusCode.RequestEntityTooLarge, block: "more");
    }

    private async Task PutAsync(string key, int length, HttpStatusCode expected, string block = "1", bool gone = false)
    {
        var url = await _server.ReserveAsync(_machine, key);
        if (gone) await _server.Server.Database.ExecuteAsync($"update cache_entries set pending_until = 0 where key = {key}");
        // The whole blob at once, or one block of several.
        using var answer = await _server.PutAsync(url, new byte[length], block == "1" ? "" : $"&comp=block&blockid={Uri.EscapeDataString(CacheServer.BlockId(block))}");
        Assert.Equal(expected, answer.StatusCode);
        if (expected == HttpStatusCode.RequestEntityTooLarge) Assert.Equal("RequestBodyTooLarge", answer.Headers.GetValues("x-ms-error-code").Single());
    }

    private async Task SetAsync(string settings)
    {
        var answer = await _server.Server.PutAsync("/v1/workspaces/acme/cache/settings", settings);
        Assert.True(answer.Status == HttpStatusCode.OK, answer.Body);
    }
}
