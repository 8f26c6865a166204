using System.Collections.Concurrent;
using Lanyard.Server.Storage;
using Lanyard.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Server.Tests.Storage;

/// <summary>Messages between replicas that share a PostgreSQL.</summary>
[Line("2.14")]
[Needs("postgres")]
public sealed class PostgresRelayTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);

    [Fact]
    public async Task What_one_replica_publishes_every_other_hears_and_itself_once()
    {
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.Postgres);
        await using var other = test.OpenAnother();
        var here = Listen(test.Database);
        var there = Listen(other);
        Assert.Null(await Next(there));

        for (var i = 0; i < 1000; i++)
        {
            test.Database.Notifications.Publish("runs", $"col_{i}");
        }

        for (var i = 0; i < 1000; i++)
        {
            Assert.Equal($"col_{i}", await Next(there));
        }

        Assert.Equal(1000, here.Where(message => message is not null).Count());
    }

    [Fact]
    public async Task When_the_listening_connection_is_lost_subscribers_are_told_to_look_and_hear_again()
    {
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.Postgres);
        await using var other = test.OpenAnother();
        var there = Listen(other);
        Assert.Null(await Next(there));

        await test.Database.QueryAsync(
            $"select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query = {"listen lanyard"}", _ => 0);
        Assert.Null(await Next(there));
        test.Database.Notifications.Publish("runs", "again");

        Assert.Equal("again", await Next(there));
    }

    [Fact]
    [Line("6.5")]
    public async Task What_was_published_while_the_database_let_nobody_in_is_heard_afterwards()
    {
        await using var away = await ClosedDatabase.CreateAsync();
        var there = Listen(away.Other);
        Assert.Null(await Next(there));

        await away.CloseAsync();
        away.Publisher.Notifications.Publish("runs", "meanwhile");
        await away.FailedAsync();
        await away.OpenAsync();

        Assert.Equal("meanwhile", await Next(there));
    }

    [Fact]
    [Line("6.5")]
    public async Task Of_more_than_can_be_kept_while_nothing_can_be_sent_the_others_hear_that_they_must_look()
    {
        await using var away = await ClosedDatabase.CreateAsync();
        var there = Listen(away.Other);
        Assert.Null(await Next(there));

        await away.CloseAsync();
        for (var i = 0; i < 30_000; i++) away.Publisher.Notifications.Publish("runs", $"col_{i}");
        await away.FailedAsync();
        await away.OpenAsync();
        Assert.Null(await Next(there));

        away.Publisher.Notifications.Publish("runs", "again");
        while (await Next(there) is not "again")
        {
            // What was kept beside the mark.
        }
    }

    [Fact]
    [Line("6.5")]
    public async Task A_listening_connection_that_died_without_a_word_is_noticed_and_subscribers_are_told_to_look()
    {
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.Postgres);
        await using var other = test.OpenAnother();
        var there = Listen(other);
        Assert.Null(await Next(there));
        var listeners = await test.Database.QueryAsync(
            $"select cast(pid as bigint) from pg_stat_activity where datname = current_database() and query = {"listen lanyard"}", static row => row.GetInt64(0));

        // Both replicas' listeners: which is whose nobody can tell.
        await SignalAsync("STOP", listeners);
        try
        {
            Assert.Null(await Next(there));
            test.Database.Notifications.Publish("runs", "again");
            Assert.Equal("again", await Next(there));
        }
        finally
        {
            await SignalAsync("CONT", listeners);
        }
    }

    [Fact]
    [Line("5.8")]
    [Line("6.5")]
    public async Task Before_a_second_of_silence_is_over_who_must_know_at_once_doubts_and_an_answer_ends_it()
    {
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.Postgres);
        var others = await ListenersAsync(test.Database, 1);
        var time = new ManualTime();
        await using var other = Database.Open(test.Location, time, NullLoggerFactory.Instance);
        var (there, doubts) = (Listen(other), new BlockingCollection<string?>());
        Assert.Null(await Next(there));
        other.Notifications.Doubted += () => doubts.Add(null);
        var listener = Assert.Single((await ListenersAsync(test.Database, 2)).Except(others));
        await SilenceAsync(2);
        Assert.Empty(doubts);

        await SignalAsync("STOP", [listener]);
        try
        {
            test.Database.Notifications.Publish("runs", "a word");
            for (var i = 0; i < 3; i++) time.Advance(TimeSpan.FromMilliseconds(250));
            Assert.Null(await Next(doubts));
            Assert.Empty(there);
        }
        finally
        {
            await SignalAsync("CONT", [listener]);
        }

        Assert.Equal("a word", await Next(there));
        await SilenceAsync(1);
        while (doubts.TryTake(out _))
        {
            // Of the silence.
        }

        await SilenceAsync(2);
        Assert.Empty(doubts);

        // So many seconds without a message; each question is answered.
        async Task SilenceAsync(int seconds)
        {
            for (var i = 0; i < seconds * 4; i++)
            {
                // One for the next question, one for the look whether the last was answered.
                await Eventually.HoldsAsync(() => Task.FromResult(time.TimerCount == 2), "it is about to ask");
                var asked = await AskedAsync();
                time.Advance(TimeSpan.FromMilliseconds(250));
                await Eventually.HoldsAsync(async () => await AskedAsync() != asked, "it asks, and is answered");
            }
        }

        async Task<string> AskedAsync() => (await test.Database.QueryAsync(
            $"select state || cast(query_start as text) from pg_stat_activity where pid = {listener} and state = 'idle'", static row => row.GetString(0))).SingleOrDefault() ?? "";
    }

    [Theory]
    [InlineData("a b", "x")]
    [InlineData("a", "x\ny")]
    public void A_message_that_is_no_short_line_is_a_bug(string channel, string payload) =>
        Assert.Throws<ArgumentException>(() => new Notifications().Publish(channel, payload));

    private static async Task SignalAsync(string signal, IEnumerable<long> processes)
    {
        using var kill = System.Diagnostics.Process.Start("kill", ["-" + signal, .. processes.Select(static id => id.ToString(System.Globalization.CultureInfo.InvariantCulture))]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, kill.ExitCode);
    }

    private static async Task<List<long>> ListenersAsync(Database database, int count)
    {
        List<long> found = [];
        await Eventually.HoldsAsync(
            async () =>
            {
                found = await database.QueryAsync($"select cast(pid as bigint) from pg_stat_activity where datname = current_database() and query = {"listen lanyard"}", static row => row.GetInt64(0));
                return found.Count == count;
            },
            $"{count} listen");
        return found;
    }

    private static BlockingCollection<string?> Listen(Database database)
    {
        var heard = new BlockingCollection<string?>();
        database.Notifications.Subscribe("runs", heard.Add);
        return heard;
    }

    private static Task<string?> Next(BlockingCollection<string?> heard) => Task.Run(
        () => heard.TryTake(out var message, Deadline) ? message : throw new TimeoutException("nothing was heard"));
}
