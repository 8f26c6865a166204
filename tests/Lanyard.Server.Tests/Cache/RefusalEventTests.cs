using System.Net;
using System.Text.Json;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>Whom a limit or a scope refuses is in the audit log, and fills it with nothing.</summary>
[Line("4.7")]
[Line("4.8")]
public sealed class RefusalEventTests() : CacheQuotaTests(DatabaseKind.Sqlite)
{
    [Fact]
    public async Task Each_limit_that_refuses_a_write_is_told_with_who_was_refused_what_and_a_taken_key_is_not()
    {
        await SetAsync("""{"entryBytes":100,"repositoryBytes":150,"entriesPerMinute":2}""");
        var machine = await Cache.MachineAsync();
        var url = await Cache.ReserveAsync(machine, "a");
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await Cache.PutAsync(url, new byte[101])).StatusCode);
        Assert.False((await Cache.FinalizeAsync(machine, "a", 101)).Json.GetProperty("ok").GetBoolean());
        Assert.Equal(HttpStatusCode.Conflict, (await CreateAsync(await Cache.MachineAsync(), "a")).Status);
        await Cache.ReserveAsync(machine, "b");
        Assert.Equal(HttpStatusCode.TooManyRequests, (await CreateAsync(machine, "c")).Status);

        // Another machine's body, for which there is no room beside what is not finalised.
        var other = await Cache.MachineAsync();
        Time.Advance(TimeSpan.FromSeconds(61));
        Assert.Equal(HttpStatusCode.Created, (await Cache.PutAsync(await Cache.ReserveAsync(machine, "b"), new byte[90])).StatusCode);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await Cache.PutAsync(await Cache.ReserveAsync(other, "d"), new byte[90])).StatusCode);

        var events = await EventsAsync();
        Assert.Equal(["a", "c", "d"], events.Select(static one => one.GetProperty("details").GetProperty("key").GetString()).Order(StringComparer.Ordinal));
        Assert.All(events, static one => Assert.Equal(("cache.write", "refused", "demo/app"), (one.GetProperty("action").GetString(), one.GetProperty("decision").GetString(), one.GetProperty("target").GetString())));
        Assert.Equal([other], events.Where(static one => one.GetProperty("details").TryGetProperty("writer", out _)).Select(static one => one.GetProperty("details").GetProperty("writer").GetString()).Where(one => one != machine));
        Assert.Contains(new string('1', 64), events.Single(static one => one.GetProperty("details").GetProperty("key").GetString() == "c").GetRawText(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_comes_again_and_again_is_told_of_once_a_minute_with_how_often_it_was()
    {
        await SetAsync("""{"entriesPerMinute":1}""");
        var machine = await Cache.MachineAsync();
        var reader = await Cache.MachineAsync(more: ""","cacheMode":"read" """);
        await Cache.ReserveAsync(machine, "a");

        for (var i = 0; i < 30; i++)
        {
            await CreateAsync(machine, $"k{i}");
            await CreateAsync(reader, $"k{i}");
        }

        Assert.Equal(2, (await EventsAsync()).Count);
        Time.Advance(TimeSpan.FromMinutes(2));
        await Cache.ReserveAsync(machine, "b");
        await CreateAsync(machine, "c");
        await CreateAsync(reader, "c");

        var events = await EventsAsync();
        Assert.Equal(4, events.Count);
        Assert.Equal(2, events.Count(static one => one.TryGetProperty("details", out var details) && details.TryGetProperty("untold", out var untold) && untold.GetString() == "29"));
    }

    private async Task<List<JsonElement>> EventsAsync() =>
    [
        .. (await Cache.Server.GetAsync("/v1/workspaces/acme/audit?limit=200")).Body.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(static line => JsonDocument.Parse(line).RootElement.GetProperty("event"))
            .Where(static one => one.GetProperty("action").GetString() == "cache.write" && one.GetProperty("decision").GetString() == "refused"),
    ];
}
