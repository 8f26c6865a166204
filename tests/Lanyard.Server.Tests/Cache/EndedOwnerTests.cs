using System.Net;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.5")]
public sealed class SqliteEndedOwnerTests() : EndedOwnerTests(DatabaseKind.Sqlite);

[Line("4.5")]
[Needs("postgres")]
public sealed class PostgresEndedOwnerTests() : EndedOwnerTests(DatabaseKind.Postgres);

/// <summary>A reservation stands for an hour, and no longer than whoever has it.</summary>
public abstract class EndedOwnerTests(DatabaseKind kind) : ClockedCacheTests(kind)
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_a_machine_had_reserved_is_free_when_it_is_deleted_or_has_expired_and_its_upload_goes_nowhere(bool isDeleted)
    {
        var owner = await Cache.MachineAsync(more: ""","lifetimeSeconds":600""");
        var other = await Cache.MachineAsync();
        var left = await Cache.ReserveAsync(owner, "k");
        await Cache.PutAsync(left, [1, 1, 1], $"&comp=block&blockid={CacheServer.BlockId("1")}");
        Assert.Equal((HttpStatusCode.Conflict, "already_exists"), await CreateAsync(other));

        if (isDeleted) Assert.Equal(HttpStatusCode.NoContent, (await Cache.Server.DeleteAsync($"/v1/workspaces/acme/machines/{owner}")).Status);
        else Time.Advance(TimeSpan.FromSeconds(600));

        var url = await Cache.ReserveAsync(other, "k");
        Assert.NotEqual(new Uri(left).AbsolutePath, new Uri(url).AbsolutePath);

        // Where the time has moved on the sweep may have been first, and is about to delete them.
        await Eventually.HoldsAsync(() => Task.FromResult(Cache.Files.Count == 0), "its bytes are gone");
        Assert.Equal(HttpStatusCode.NotFound, (await Cache.PutAsync(left, [2])).StatusCode);
        await Cache.SaveAsync(other, "k", [3]);
        Assert.Equal([3], await Cache.Client.GetByteArrayAsync(new Uri(await Cache.DownloadUrlAsync(other, "k"))));
    }

    [Fact]
    public async Task What_a_machine_has_reserved_stays_its_own_when_it_was_renewed()
    {
        var owner = await Cache.MachineAsync(more: ""","lifetimeSeconds":600""");
        var other = await Cache.MachineAsync();
        await Cache.ReserveAsync(owner, "k");
        Time.Advance(TimeSpan.FromSeconds(500));
        Assert.Equal(HttpStatusCode.OK, (await Cache.Server.SendAsync(HttpMethod.Post, "/runtime/machines/renew", owner)).Status);
        Time.Advance(TimeSpan.FromSeconds(500));

        Assert.Equal((HttpStatusCode.Conflict, "already_exists"), await CreateAsync(other));
    }

    [Fact]
    public async Task What_an_ended_machine_had_finished_stays()
    {
        var owner = await Cache.MachineAsync();
        var other = await Cache.MachineAsync();
        await Cache.SaveAsync(owner, "k", [1]);
        await Cache.Server.DeleteAsync($"/v1/workspaces/acme/machines/{owner}");

        Assert.Equal((HttpStatusCode.Conflict, "already_exists"), await CreateAsync(other));
        Assert.Equal("k", await Cache.FindAsync(other, "k"));
    }

    [Fact]
    [Line("4.3")]
    public async Task Of_many_that_want_the_key_of_an_ended_machine_one_has_it()
    {
        var owner = await Cache.MachineAsync();
        await Cache.ReserveAsync(owner, "k");
        var others = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => Cache.MachineAsync()));
        await Cache.Server.DeleteAsync($"/v1/workspaces/acme/machines/{owner}");

        var answers = await Task.WhenAll(others.Select(other => Task.Run(() => CreateAsync(other))));

        Assert.Equal((1, 11), (answers.Count(static one => one.Status == HttpStatusCode.OK), answers.Count(static one => one.Code == "already_exists")));
    }

    private async Task<(HttpStatusCode Status, string? Code)> CreateAsync(string bearer)
    {
        var answer = await Cache.TwirpAsync(bearer, "CreateCacheEntry", $$"""{"key":"k","version":"{{CacheServer.Version}}"}""");
        return (answer.Status, answer.Json.TryGetProperty("code", out var code) ? code.GetString() : null);
    }
}
