using System.Net;
using System.Text.Json;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("5.5")]
public sealed class SqliteWhyRoomTests() : WhyRoomTests(DatabaseKind.Sqlite);

[Line("5.5")]
[Needs("postgres")]
public sealed class PostgresWhyRoomTests() : WhyRoomTests(DatabaseKind.Postgres);

/// <summary>Runners that are there and take nothing all the same: a full disk, the one run of an ephemeral one.</summary>
public abstract class WhyRoomTests(DatabaseKind kind) : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private RunsServer _runs = null!;

    public async ValueTask InitializeAsync() => _runs = await RunsServer.StartAsync(kind, time: _time);

    public async ValueTask DisposeAsync()
    {
        if (_runs is not null)
            await _runs.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>It is there and has free places: without its own word nobody could say why it takes nothing.</summary>
    [Fact]
    public async Task A_runner_whose_disk_is_full_is_named_until_it_has_room_or_begins_anew()
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        var run = await _runs.CreateAsync();
        Assert.Equal(WhyCodes.Next, (await FirstAsync(run)).Code);
        Assert.Empty((await runner.PollWithoutRoomAsync("disk")).Value!.Offers);
        Assert.Equal((WhyCodes.RunnerNoRoom, "runner r1 takes no run: the disk of its host is full"), await FirstAsync(run));
        Assert.Equal("disk", (await _runs.Server.GetAsync("/v1/workspaces/demo/runners/r1")).Json.GetProperty("status").GetProperty("noRoom").GetString());
        Assert.Empty((await runner.PollWithoutRoomAsync("disk")).Value!.Offers);
        Assert.Equal(WhyCodes.RunnerNoRoom, (await FirstAsync(run)).Code);

        Assert.Empty((await runner.PollWithoutRoomAsync(null)).Value!.Offers);
        Assert.Equal(WhyCodes.Next, (await FirstAsync(run)).Code);
        await runner.PollWithoutRoomAsync("disk");
        await runner.OpenAsync("another-nonce-of-16");
        Assert.Equal(WhyCodes.Next, (await FirstAsync(run)).Code);
        Assert.False((await _runs.Server.GetAsync("/v1/workspaces/demo/runners/r1")).Json.GetProperty("status").TryGetProperty("noRoom", out _));
        Assert.Equal(run, Assert.Single((await runner.PollAsync()).Value!.Offers).Run);
    }

    [Theory]
    [InlineData("")]
    [InlineData("of the disk of /srv 3 MiB are free")]
    [InlineData("a-word-that-has-more-than-32-lett")]
    public async Task What_a_runner_says_of_its_room_is_a_word(string why)
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        var refused = await runner.PollWithoutRoomAsync(why);
        Assert.Equal(HttpStatusCode.BadRequest, refused.Status);
        Assert.Contains("noRoom", refused.Body, StringComparison.Ordinal);
    }

    /// <summary>It could take nothing and waits for nothing: its supervisor waits for its end.</summary>
    [Fact]
    public async Task A_runner_without_room_is_drained_as_any_other()
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await SetRunnerAsync("r1", "\"state\":\"draining\"");
        Assert.True((await runner.PollWithoutRoomAsync("disk")).Value!.Drain);
    }

    [Fact]
    public async Task An_ephemeral_runner_is_at_capacity_with_one_offer_free_again_when_that_lapses_and_spent_once_it_has_accepted()
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        await SetRunnerAsync("r1", "\"ephemeral\":true");
        await runner.OpenAsync();
        await _runs.CreateAsync();
        Assert.Single((await runner.PollAsync(4)).Value!.Offers);
        var waiting = await _runs.CreateAsync("""{"definition":"build","priority":-1}""");
        Assert.Equal((WhyCodes.RunnerAtCapacity, "runner r1 is at capacity (1 of 1)"), await FirstAsync(waiting));

        _time.Advance(TimeSpan.FromSeconds(20));
        await _runs.Get<RunSweeper>().SweepAsync(TestContext.Current.CancellationToken);
        Assert.Equal(WhyCodes.Behind, (await FirstAsync(waiting)).Code);
        await runner.TakeAsync();
        Assert.Equal((WhyCodes.RunnerSpent, "runner r1 is ephemeral and has had its run"), await FirstAsync(waiting));
    }

    private async Task SetRunnerAsync(string slug, string members) => (await _runs.Server.PutAsync(
        $"/v1/workspaces/demo/runners/{slug}",
        $$$"""{"spec":{"collections":["one"],"identity":{"cluster":"lab","subject":"system:serviceaccount:runners:{{{slug}}}"},{{{members}}}}}""",
        ifMatch: "*")).Made();

    private async Task<JsonElement[]> WhyAsync(string run) => [.. (await _runs.Server.GetAsync($"{RunsServer.Runs}/{run}/why")).Json.GetProperty("reasons").EnumerateArray()];

    private async Task<(string? Code, string? Text)> FirstAsync(string run) =>
        (await WhyAsync(run))[0] is var first ? (first.GetProperty("code").GetString(), first.GetProperty("text").GetString()) : default;
}
