using System.Collections.Concurrent;
using Lanyard.Server.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Storage;

/// <summary>Messages between replicas that share a PostgreSQL.</summary>
[Line("2.14")]
[Needs("postgres")]
public sealed class PostgresRelayTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

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

    [Theory]
    [InlineData("a b", "x")]
    [InlineData("a", "x\ny")]
    public void A_message_that_is_no_short_line_is_a_bug(string channel, string payload) =>
        Assert.Throws<ArgumentException>(() => new Notifications().Publish(channel, payload));

    private static BlockingCollection<string?> Listen(Database database)
    {
        var heard = new BlockingCollection<string?>();
        database.Notifications.Subscribe("runs", heard.Add);
        return heard;
    }

    private static Task<string?> Next(BlockingCollection<string?> heard) => Task.Run(
        () => heard.TryTake(out var message, Deadline) ? message : throw new TimeoutException("nothing was heard"));
}
