using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

/// <summary>A log followed as server-sent events: by many, across attempts, cuts and characters of several bytes.</summary>
[Line("5.7")]
public sealed class LogStreamTests : IAsyncLifetime
{
    private RunsServer _runs = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _runs = await RunsServer.StartAsync();

    public async ValueTask DisposeAsync()
    {
        if (_runs is not null)
            await _runs.DisposeAsync();
    }

    [Fact]
    public async Task A_hundred_readers_see_the_same_log_while_it_grows_and_hear_the_end()
    {
        var (runner, run) = await TakenAsync();
        var log = new StringBuilder();
        var readers = Enumerable.Range(0, 100).Select(_ => ReadAsync(run)).ToArray();
        for (var i = 0; i < 30; i++)
        {
            var line = $"line {i} ü🙂\n";
            await runner.LogAsync(run, Encoding.UTF8.GetByteCount(log.ToString()), Encoding.UTF8.GetBytes(line));
            log.Append(line);
        }
        await runner.EndAsync(run, log: Encoding.UTF8.GetBytes(log.ToString()));
        foreach (var events in await Task.WhenAll(readers).WaitAsync(TimeSpan.FromSeconds(60), Cancel))
        {
            Assert.Equal(log.ToString(), string.Concat(events.Where(e => e.Event == "log").Select(e => e.Data.GetProperty("text").GetString())));
            Assert.Equal(("end", "succeeded"), (events[^1].Event, events[^1].Data.GetProperty("state").GetString()));
        }
        await Eventually.HoldsAsync(() => Task.FromResult(_runs.Get<LogTails>().Followers == 0), "nobody follows");
    }

    [Fact]
    public async Task A_workspace_that_follows_as_much_as_it_can_leaves_the_others_their_places()
    {
        var tails = _runs.Get<LogTails>();
        var (_, run) = await TakenAsync();
        var mine = (await _runs.Get<RunStore>().FindAsync(run, Cancel))!;
        var following = Enumerable.Range(0, LogTails.Most).Select(_ => tails.Follow(mine, out var _)).ToList();
        Assert.Equal((LogTails.MostOfOne, LogTails.MostOfOne), (following.Count(static one => one is not null), tails.Followers));
        Assert.Equal(HttpStatusCode.TooManyRequests, (await _runs.Server.GetAsync($"{RunsServer.Runs}/{run}/logs/stream")).Status);

        var others = tails.Follow(mine with { Id = "run_other", Workspace = "ws_other" }, out _);
        Assert.NotNull(others);
        following[0]!.Dispose();
        var again = tails.Follow(mine, out _);
        Assert.NotNull(again);

        following.Skip(1).Append(others).Append(again).ToList().ForEach(static one => one?.Dispose());
        Assert.Equal(0, tails.Followers);
    }

    [Fact]
    public async Task A_character_is_never_cut_and_one_that_is_none_is_replaced()
    {
        var (runner, run) = await TakenAsync();
        var reading = ReadAsync(run);
        var bytes = (byte[])[.. "a🙂b"u8, 0xff, .. "ü"u8];
        for (var i = 0; i < bytes.Length; i++)
            await runner.LogAsync(run, i, bytes[i..(i + 1)]);
        await runner.EndAsync(run, log: bytes);
        var events = await reading.WaitAsync(TimeSpan.FromSeconds(120), Cancel);
        Assert.Equal("a🙂b\ufffdü", string.Concat(events.Where(e => e.Event == "log").Select(e => e.Data.GetProperty("text").GetString())));
    }

    [Fact]
    public async Task Who_was_cut_off_goes_on_by_the_id_of_the_last_event()
    {
        var (runner, run) = await TakenAsync();
        var log = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 5000).Select(i => $"{i}\n")));
        await runner.LogAsync(run, 0, log);
        await runner.EndAsync(run, log: log);
        var whole = await ReadAsync(run);
        Assert.True(whole.Count(e => e.Event == "log") > 1);
        for (var seen = 0; seen < whole.Count - 1; seen++)
        {
            var rest = await ReadAsync(run, whole[seen].Id);
            Assert.Equal(whole[(seen + 1)..].Select(e => e.Id), rest.Select(e => e.Id));
        }
    }

    [Fact]
    public async Task A_second_attempts_log_follows_the_first_ones()
    {
        var (runner, run) = await TakenAsync("""{"definition":"again"}""");
        var reading = ReadAsync(run);
        await runner.LogAsync(run, 0, "first\n"u8.ToArray());
        await runner.EndAsync(run, "failed", log: "first\n"u8.ToArray());
        Assert.Equal(run, await runner.TakeAsync());
        await runner.LogAsync(run, 0, "second\n"u8.ToArray(), attempt: 2);
        await runner.EndAsync(run, log: "second\n"u8.ToArray(), attempt: 2);
        var events = await reading.WaitAsync(TimeSpan.FromSeconds(120), Cancel);
        Assert.Equal([(1, "first\n"), (2, "second\n")], events.Where(e => e.Event == "log").Select(e => (e.Data.GetProperty("attempt").GetInt32(), e.Data.GetProperty("text").GetString()!)));
    }

    [Fact]
    public async Task A_run_that_never_began_ends_its_stream_when_it_is_canceled()
    {
        var run = await _runs.CreateAsync();
        var reading = ReadAsync(run);
        await _runs.Server.SendAsync(HttpMethod.Post, $"{RunsServer.Runs}/{run}/cancel", "admin", "{}");
        Assert.Equal("canceled", Assert.Single(await reading.WaitAsync(TimeSpan.FromSeconds(120), Cancel)).Data.GetProperty("state").GetString());
    }

    [Theory]
    [InlineData("x")]
    [InlineData("0-1")]
    [InlineData("1--1")]
    [InlineData("1")]
    public async Task A_place_that_is_none_is_refused(string place)
    {
        var run = await _runs.CreateAsync();
        Assert.Equal(HttpStatusCode.BadRequest, (await _runs.Server.GetAsync($"{RunsServer.Runs}/{run}/logs/stream?from={place}")).Status);
    }

    [Theory]
    [InlineData("half and a half", "it is longer")]
    [InlineData("HALF", "it is as long, and says otherwise")]
    [InlineData("hal", "it is shorter")]
    public async Task The_end_of_a_log_that_does_not_match_is_shown_as_incomplete(string whole, string why)
    {
        Assert.NotEmpty(why);
        var (runner, run) = await TakenAsync();
        await runner.LogAsync(run, 0, "half"u8.ToArray());
        await runner.EndAsync(run, log: Encoding.UTF8.GetBytes(whole));
        Assert.False((await _runs.RunAsync(run)).GetProperty("attempts")[0].GetProperty("logComplete").GetBoolean());
    }

    [Fact]
    public async Task What_a_definition_masks_is_not_shown_by_the_API_either()
    {
        (await _runs.Server.PutAsync(
            "/v1/workspaces/demo/collections/one/definitions/masked", """{"spec":{"steps":[{"name":"a","script":"true"}],"mask":["PASSWORD"]}}""")).Made();
        var run = await _runs.CreateAsync("""{"definition":"masked","variables":{"PASSWORD":"hunter22","OTHER":"shown"}}""");
        var shown = await _runs.Server.GetAsync($"{RunsServer.Runs}/{run}");
        Assert.DoesNotContain("hunter22", shown.Body, StringComparison.Ordinal);
        Assert.Contains("shown", shown.Body, StringComparison.Ordinal);
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await runner.PollAsync();
        var payload = (await runner.AcceptAsync(run)).Value!;
        Assert.Equal(("hunter22", "PASSWORD"), (payload.Variables["PASSWORD"], Assert.Single(payload.Mask!)));
    }

    private async Task<(SimulatedRunner Runner, string Run)> TakenAsync(string json = """{"definition":"build"}""")
    {
        (await _runs.Server.PutAsync(
            "/v1/workspaces/demo/collections/one/definitions/again", """{"spec":{"steps":[{"name":"a","script":"true"}],"retry":{"on":["failed"],"attempts":2}}}""")).Made();
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await _runs.CreateAsync(json);
        return (runner, await runner.TakeAsync());
    }

    private async Task<List<(string Id, string Event, JsonElement Data)>> ReadAsync(string run, string? lastId = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{RunsServer.Runs}/{run}/logs/stream");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", "admin");
        if (lastId is not null)
            request.Headers.Add("Last-Event-ID", lastId);
        using var response = await _runs.Server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancel);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        var events = new List<(string, string, JsonElement)>();
        foreach (var block in (await response.Content.ReadAsStringAsync(Cancel)).Split("\n\n", StringSplitOptions.RemoveEmptyEntries))
        {
            var fields = block.Split('\n').Where(line => !line.StartsWith(':')).Select(line => line.Split(": ", 2)).ToDictionary(f => f[0], f => f[1]);
            if (fields.Count > 0)
                events.Add((fields["id"], fields["event"], JsonDocument.Parse(fields["data"]).RootElement.Clone()));
        }
        return events;
    }
}
