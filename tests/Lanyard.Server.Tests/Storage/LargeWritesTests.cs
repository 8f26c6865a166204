using System.Net;
using Lanyard.Server.Audit;
using Lanyard.Server.Storage;
using Lanyard.Server.Tests.Walls;
using Lanyard.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Server.Tests.Storage;

/// <summary>What writes megabytes, such as a state of infrastructure, is with its event on disk or not at all, and nobody else waits for it.</summary>
[Line("5.8")]
[Line("5.6")]
[Needs("postgres")]
public sealed class LargeWritesTests
{
    private const string Push = "/v1/workspaces/acme/collections/infra/states/net";
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);

    [Fact]
    public async Task A_state_of_megabytes_that_takes_its_time_holds_nobody_up()
    {
        await using var world = await WalledWorld.CreateAsync(DatabaseKind.Postgres);
        var slow = new TaskCompletionSource();
        var holding = await HoldAsync(world.Server.Database, $"lock table states in share row exclusive mode", slow.Task);
        var state = $$"""{"version":4,"serial":1,"lineage":"l","padding":"{{new string('x', 8 << 20)}}"}""";

        var push = world.Server.PutAsync(Push, state);
        await UntilOneWaitsAsync(world.Server.Database, push);
        var other = await world.Server.PutAsync("/v1/workspaces/meanwhile", """{"spec":{}}""").WaitAsync(Deadline);
        var isDone = push.IsCompleted;
        slow.SetResult();
        await holding;

        Assert.Equal((HttpStatusCode.Created, false), (other.Status, isDone));
        Assert.Equal(HttpStatusCode.OK, (await push.WaitAsync(Deadline)).Status);
        Assert.True((await world.Server.GetAsync("/v1/audit/verify")).Json.GetProperty("intact").GetBoolean());
    }

    [Fact]
    public async Task Large_and_small_changes_side_by_side_form_one_chain()
    {
        await using var world = await WalledWorld.CreateAsync(DatabaseKind.Postgres);

        var answers = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => Task.Run(() => i % 2 == 0
            ? world.Server.PutAsync($"{Push}-{i}", $$"""{"version":4,"serial":{{i}},"lineage":"l"}""")
            : world.Server.SendAsync(HttpMethod.Post, "/v1/revocations", "admin", $$"""{"kind":"principal","value":"policy:{{i}}"}""")))).WaitAsync(Deadline);

        Assert.All(answers, static answer => Assert.True((int)answer.Status is 200 or 201, answer.Body));
        Assert.Equal(30, await world.Server.Database.ScalarAsync($"select count(*) from audit_events where action = 'state.push'"));
        Assert.True((await world.Server.GetAsync("/v1/audit/verify")).Json.GetProperty("intact").GetBoolean());
    }

    [Fact]
    public async Task A_large_change_whose_caller_has_gone_before_its_turn_is_not_made_and_the_chain_goes_on()
    {
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.Postgres);
        await test.Database.ExecuteAsync($"create table things (id text not null primary key)");
        var audit = new AuditLog(test.Database, new AuditOptions(), TimeProvider.System, NullLogger<AuditLog>.Instance);
        await audit.RecordAsync(new AuditEvent("first"));
        using var gone = new CancellationTokenSource();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => audit.ChangeMuchAsync<string>(
            async transaction =>
            {
                await transaction.ExecuteAsync($"insert into things (id) values ('a')");
                await gone.CancelAsync();
                return "a";
            },
            static _ => new AuditEvent("never"),
            gone.Token));
        await Assert.ThrowsAsync<ConstraintViolationException>(() => audit.ChangeMuchAsync<string>(
            async transaction =>
            {
                await transaction.ExecuteAsync($"insert into audit_chains (id, started) select id, 1 from audit_chains");
                return "a";
            },
            static _ => new AuditEvent("never")));
        await audit.RecordAsync(new AuditEvent("last"));

        Assert.Equal(0, await test.Database.ScalarAsync($"select count(*) from things"));
        Assert.Equal(
            ["audit.chain", "first", "last"], await test.Database.QueryAsync($"select action from audit_events order by seq", static row => row.GetString(0)));
        Assert.Equal(1, await test.Database.ScalarAsync($"select count(*) from audit_chains"));
    }

    /// <summary>Where a handful of connections is all there is, those that wait for their turn must not take the one that the turns need.</summary>
    [Theory]
    [InlineData(3)]
    [InlineData(9)]
    public async Task Few_connections_are_enough_for_many_large_changes(int connections)
    {
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.Postgres);
        await using var database = Database.Open($"{test.Location}{(test.Location.Contains('?', StringComparison.Ordinal) ? '&' : '?')}pool={connections}", TimeProvider.System, NullLoggerFactory.Instance);
        var audit = new AuditLog(database, new AuditOptions(), TimeProvider.System, NullLogger<AuditLog>.Instance);

        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => Task.Run(async () =>
        {
            await audit.ChangeMuchAsync<string>(
                async transaction =>
                {
                    await transaction.ScalarAsync($"select count(*) from audit_events");
                    return "a";
                },
                static _ => new AuditEvent("large"));
            await audit.RecordAsync(new AuditEvent("small"));
        }))).WaitAsync(Deadline);

        Assert.Equal(81, await test.Database.ScalarAsync($"select count(*) from audit_events"));
    }

    /// <returns>When it is held; the inner task ends with its transaction.</returns>
    private static async Task<Task> HoldAsync(Database database, Sql what, Task until)
    {
        var held = new TaskCompletionSource();
        var holding = database.TransactionAsync(async transaction =>
        {
            await transaction.ExecuteAsync(what);
            held.SetResult();
            await until;
        });
        await Task.WhenAny(held.Task, holding);
        return holding;
    }

    private static Task UntilOneWaitsAsync(Database database, Task unless) => Eventually.HoldsAsync(
        async () => unless.IsCompleted || await database.ScalarAsync($"select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()") > 0, "somebody waits");
}
