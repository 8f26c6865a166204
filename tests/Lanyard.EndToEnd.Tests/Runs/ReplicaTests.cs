using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>Two servers on one PostgreSQL behind one address: whichever is asked, the promises of runs hold.</summary>
[Needs("postgres")]
[Needs("bwrap")]
[Line("2.9")]
[Line("5.8")]
public sealed class ReplicaTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(150);
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(10);

    [Fact]
    [Line("2.10")]
    public async Task A_run_made_on_one_replica_is_taken_by_a_runner_that_waits_on_the_other_and_its_token_dies_on_both()
    {
        await using var pair = await ReplicaPair.StartAsync();
        await pair.StartRunnerAsync();
        await pair.CreateAsync(pair.Second);
        var message = await pair.Mailbox.ReceiveAsync(Patience);
        Assert.True(await pair.IsActiveAsync(pair.First, message.Text));
        Assert.True(await pair.IsActiveAsync(pair.Second, message.Text));

        await message.AnswerAsync();

        foreach (var replica in (int[])[pair.First, pair.Second])
            await Eventually.HoldsAsync(async () => !await pair.IsActiveAsync(replica, message.Text), "the token is dead on every replica");
    }

    /// <summary>Nothing is told beforehand: each call comes to a replica that has seen nothing of the one before.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Whichever_replica_each_call_of_a_runner_comes_to_the_run_goes_on(bool isSecondFirst)
    {
        await using var pair = await ReplicaPair.StartAsync();
        await using var cluster = await TestIssuer.StartAsync();
        using var runner = isSecondFirst ? await pair.WireRunnerAsync(cluster, pair.Second, pair.First) : await pair.WireRunnerAsync(cluster, pair.First, pair.Second);
        var run = await pair.CreateAsync(isSecondFirst ? pair.First : pair.Second);

        await runner.AcceptAsync(run);
        await runner.LogAsync(run, 0, "one\n");
        await runner.LogAsync(run, 4, "two\n");
        await runner.LogAsync(run, 4, "two\nthree\n");
        await runner.EndAsync(run, "one\ntwo\nthree\n");
        await runner.EndAsync(run, "one\ntwo\nthree\n");

        var view = await pair.RunAsync(run);
        Assert.Equal("succeeded", view["state"]!.GetValue<string>());
        Assert.True(Assert.Single(view["attempts"]!.AsArray())!["logComplete"]!.GetValue<bool>(), view.ToString());
    }

    /// <summary>The design's bound is one second; on a busy machine a test can only say that it is soon, and that no request has to bring it about.</summary>
    [Fact]
    [Line("2.10")]
    [Line("2.5")]
    [Line("6.5")]
    public async Task What_ends_or_is_revoked_on_one_replica_is_refused_on_the_other_the_runs_runtime_token_included()
    {
        await using var pair = await ReplicaPair.StartAsync();
        await using var cluster = await TestIssuer.StartAsync();
        using var runner = await pair.WireRunnerAsync(cluster);
        var run = await pair.CreateAsync(pair.First);
        var runtimeToken = await runner.AcceptAsync(run);
        var (status, identity) = await pair.MintAsync(pair.Second, runtimeToken);
        Assert.Equal(200, status);
        // Both replicas know the attempt as living, and have it in memory.
        Assert.True(await pair.IsActiveAsync(pair.First, identity));
        Assert.True(await pair.IsActiveAsync(pair.Second, identity));
        Assert.Equal(200, (await pair.MintAsync(pair.First, runtimeToken)).Status);

        await runner.EndAsync(run);

        // At once where it ended.
        Assert.False(await pair.IsActiveAsync(pair.First, identity));
        Assert.Equal(400, (await pair.MintAsync(pair.First, runtimeToken)).Status);
        await Eventually.HoldsAsync(async () => (await pair.MintAsync(pair.Second, runtimeToken)).Status == 400, "the runtime token is dead on the other replica", Soon);
        await Eventually.HoldsAsync(async () => !await pair.IsActiveAsync(pair.Second, identity), "the identity token is inactive on the other replica", Soon);

        var api = await pair.ApiTokenAsync();
        Assert.Equal(HttpStatusCode.OK, await pair.ReadAsync(pair.First, api));
        Assert.Equal(HttpStatusCode.OK, await pair.ReadAsync(pair.Second, api));
        await pair.RevokeAsync(pair.First, api);
        Assert.Equal(HttpStatusCode.Unauthorized, await pair.ReadAsync(pair.First, api));
        await Eventually.HoldsAsync(async () => await pair.ReadAsync(pair.Second, api) == HttpStatusCode.Unauthorized, "the revoked token is refused on the other replica", Soon);
    }

    [Fact]
    [Line("5.7")]
    public async Task A_log_that_is_written_on_one_replica_is_followed_on_the_other_while_it_grows()
    {
        await using var pair = await ReplicaPair.StartAsync();
        await using var cluster = await TestIssuer.StartAsync();
        using var runner = await pair.WireRunnerAsync(cluster);
        var run = await pair.CreateAsync(pair.First);
        await runner.AcceptAsync(run);
        using var follower = await pair.FollowAsync(pair.Second, run);

        foreach (var (offset, text) in ((long, string)[])[(0, "one\n"), (4, "two\n")])
        {
            await runner.LogAsync(run, offset, text);
            var grown = await follower.NextAsync(Patience);
            Assert.Equal(("log", text), (grown!.Value.Event, grown.Value.Data["text"]!.GetValue<string>()));
        }
        await runner.EndAsync(run, "one\ntwo\n");

        var end = await follower.NextAsync(Patience);
        Assert.Equal(("end", "succeeded"), (end!.Value.Event, end.Value.Data["state"]!.GetValue<string>()));
        Assert.Null(await follower.NextAsync(Patience));
    }

    [Fact]
    [Line("5.7")]
    [Line("6.5")]
    public async Task Who_follows_a_log_is_cut_off_where_the_token_is_revoked_on_another_replica()
    {
        await using var pair = await ReplicaPair.StartAsync();
        await using var cluster = await TestIssuer.StartAsync();
        using var runner = await pair.WireRunnerAsync(cluster);
        var run = await pair.CreateAsync(pair.First);
        await runner.AcceptAsync(run);
        var api = await pair.ApiTokenAsync();
        using var follower = await pair.FollowAsync(pair.Second, run, api);
        await runner.LogAsync(run, 0, "one\n");
        Assert.Equal("one\n", (await follower.NextAsync(Patience))!.Value.Data["text"]!.GetValue<string>());

        await pair.RevokeAsync(pair.First, api);
        await Eventually.HoldsAsync(async () => await pair.ReadAsync(pair.Second, api) == HttpStatusCode.Unauthorized, "the revoked token is refused on the other replica", Soon);

        // A piece that was on its way may still come.
        var offset = 0;
        await Eventually.HoldsAsync(
            async () =>
            {
                await runner.LogAsync(run, offset += 4, "two\n");
                return await Record.ExceptionAsync(() => follower.NextAsync(Patience)) is IOException or HttpRequestException;
            },
            "the reader is cut off");
    }

    [Fact]
    public async Task A_replica_killed_under_load_loses_nothing_and_nothing_is_done_twice()
    {
        const int Count = 16;
        await using var pair = await ReplicaPair.StartAsync();
        await pair.StartRunnerAsync("--concurrency", "2");
        var made = new List<string>();
        for (var i = 0; i < Count; i++) made.Add(await pair.CreateAsync(i % 2 == 0 ? pair.First : pair.Second));

        var said = new List<string>();
        for (var i = 0; i < Count; i++)
        {
            if (i == 4) await pair.KillFirstAsync();
            var message = await pair.Mailbox.ReceiveAsync(Patience);
            said.Add(message.Text);
            await message.AnswerAsync();
        }

        foreach (var run in made)
        {
            await Eventually.HoldsAsync(async () => (await pair.RunAsync(run))["finishedAt"] is not null, $"{run} ends", Patience);
            var view = await pair.RunAsync(run);
            Assert.Equal("succeeded", view["state"]!.GetValue<string>());
            var attempts = ((JsonArray)view["attempts"]!).Select(static a => (Number: a!["attempt"]!.GetValue<int>(), State: a["state"]!.GetValue<string>())).ToList();
            Assert.Equal(Enumerable.Range(1, attempts.Count), attempts.Select(static a => a.Number));
            Assert.Equal("ended", attempts[^1].State);
            Assert.All(attempts, static a => Assert.Contains(a.State, (string[])["ended", "lost"]));
        }

        Assert.Equal(said.Distinct(), said);
        Assert.Equal(made.Order(), said.Select(RunOf).Distinct().Order());
        Assert.Equal(0, pair.Mailbox.Drain());
    }

    /// <summary>A step says its identity token: run and attempt are in it.</summary>
    private static string RunOf(string token) =>
        JsonNode.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(token.Split('.')[1]))!["run"]!.GetValue<string>();
}
