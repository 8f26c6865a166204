using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>A real PostgreSQL is killed, frozen and failed over under two servers with work: they ride it through, and nothing is lost or done twice.</summary>
[Needs("postgres")]
[Needs("bwrap")]
[Line("5.8")]
public sealed class DatabaseFaultTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(180);
    private PostgresCluster _postgres = null!;

    public async ValueTask InitializeAsync()
    {
        _postgres = (await PostgresCluster.StartAsync())!;
        Assert.True(_postgres is not null, "PostgreSQL is not installed: eng/postgres");
    }

    public ValueTask DisposeAsync() => _postgres?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public Task A_database_that_is_killed_and_started_again_under_load_costs_nothing() => RidesThroughAsync(async () =>
    {
        await _postgres.KillAsync();
        await _postgres.StartAgainAsync();
    });

    [Fact]
    public async Task A_standby_takes_the_databases_place_under_load_and_nothing_that_was_acknowledged_is_missing()
    {
        await _postgres.AddStandbyAsync();
        await RidesThroughAsync(_postgres.FailOverAsync);
    }

    [Fact]
    public Task A_database_that_stands_still_for_a_while_costs_time_only() => RidesThroughAsync(async () =>
    {
        await _postgres.FreezeAsync();
        await Task.Delay(TimeSpan.FromSeconds(8), TimeProvider.System, TestContext.Current.CancellationToken); // the fault itself
        await _postgres.ThawAsync();
    });

    private async Task RidesThroughAsync(Func<Task> fault)
    {
        const int Count = 12;
        await using var pair = await ReplicaPair.StartAsync(_postgres.Location);
        await pair.StartRunnerAsync("--concurrency", "3");
        var made = new List<string>();
        for (var i = 0; i < Count / 2; i++) made.Add(await pair.CreateAsync(i % 2 == 0 ? pair.First : pair.Second));
        var held = new List<StepMessage>();
        for (var i = 0; i < 3; i++) held.Add(await pair.Mailbox.ReceiveAsync(Patience));

        // Ends are reported, and runs made, to servers that have no database at that moment.
        var failing = fault();
        await held[0].AnswerAsync();
        var late = await Task.WhenAll(Enumerable.Range(0, Count / 2).Select(i => pair.CreateStubbornlyAsync(i % 2 == 0 ? pair.First : pair.Second, Patience)));
        await failing;
        made.AddRange(late);
        foreach (var message in held.Skip(1)) await message.AnswerAsync();
        var said = held.ConvertAll(static message => message.Text);
        while (said.Select(RunOf).Distinct().Count() < Count)
        {
            var message = await pair.Mailbox.ReceiveAsync(Patience);
            said.Add(message.Text);
            await message.AnswerAsync();
        }

        foreach (var run in made)
        {
            await Eventually.HoldsAsync(async () => (await pair.RunAsync(run))["finishedAt"] is not null, $"{run} ends", Patience);
            var view = await pair.RunAsync(run);
            Assert.True(view["state"]!.GetValue<string>() == "succeeded", $"{view}\n{pair.Errors}");
            var attempts = view["attempts"]!.AsArray().Select(static a => (Number: a!["attempt"]!.GetValue<int>(), State: a["state"]!.GetValue<string>())).ToList();
            Assert.Equal(Enumerable.Range(1, attempts.Count), attempts.Select(static a => a.Number));
            Assert.Equal("ended", attempts[^1].State);
            Assert.All(attempts, static a => Assert.Contains(a.State, (string[])["ended", "lost"]));
        }

        Assert.Equal(Count, made.Distinct().Count());
        Assert.Equal(made.Order(), (await pair.AllRunsAsync()).Order());
        Assert.Equal(said.Distinct(), said);
        Assert.Equal(made.Order(), said.Select(RunOf).Distinct().Order());
        Assert.Equal(0, pair.Mailbox.Drain());
        await pair.VerifyAuditAsync();
    }

    private static string RunOf(string token) => JsonNode.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(token.Split('.')[1]))!["run"]!.GetValue<string>();
}
