using System.Net;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("5.5")]
public sealed class SqliteNamedOffersTests() : NamedOffersTests(DatabaseKind.Sqlite);

[Line("5.5")]
[Needs("postgres")]
public sealed class PostgresNamedOffersTests() : NamedOffersTests(DatabaseKind.Postgres);

/// <summary>A runner's poll says which offers it is accepting: what that brings, and that it neither takes nor tells anything that is not the runner's.</summary>
public abstract class NamedOffersTests(DatabaseKind kind) : OneRunnerFixture(kind)
{
    [Fact]
    public async Task A_poll_that_names_its_offers_is_made_others_and_one_that_does_not_the_same_again()
    {
        var first = await OfferedAsync();
        var second = await Runs.CreateAsync();
        Assert.Equal(first, Assert.Single((await Runner.PollAsync()).Value!.Offers).Run); // as runners did that name none

        var named = (await Runner.PollAsync(1, 20, Naming(first))).Value!;

        Assert.Equal(second, Assert.Single(named.Offers).Run);
        Assert.Equal((first, HoldAnswers.Keep), Assert.Single(named.Answers) is var answer ? (answer.Run, answer.Answer) : default);
        Assert.Equal(first, Assert.Single((await Runner.PollAsync(2, 0, Naming(second))).Value!.Offers).Run);
        Assert.Empty((await Runner.PollAsync(2, 0, Naming(first), Naming(second))).Value!.Offers);
        Assert.Equal(HttpStatusCode.OK, (await Runner.AcceptAsync(first)).Status);
    }

    [Fact]
    public async Task An_offer_does_not_stand_longer_because_it_is_named()
    {
        var run = await OfferedAsync();
        var before = await DeadlineAsync(run);

        await Runner.PollAsync(1, 0, Naming(run));
        await Runner.HeartbeatAsync(Naming(run));

        Assert.Equal(before, await DeadlineAsync(run));
    }

    /// <summary>Also nothing of whether there is such a run.</summary>
    [Fact]
    public async Task Whoever_names_anothers_offer_gets_nothing_of_it_and_learns_nothing()
    {
        var run = await OfferedAsync();
        var before = await DeadlineAsync(run);
        var stranger = await Runs.RunnerAsync("r2", "one");
        await stranger.OpenAsync();

        var poll = (await stranger.PollAsync(1, 0, Naming(run), Naming(run, 2), Naming("run_00000000000000000000000000"))).Value!;
        var heartbeat = (await stranger.HeartbeatAsync(Naming(run))).Value!;

        Assert.Empty(poll.Offers);
        Assert.All(poll.Answers.Concat(heartbeat.Answers), static answer => Assert.Equal((HoldAnswers.Abandon, 0, null), (answer.Answer, answer.LeaseSeconds, answer.TimeoutSeconds)));
        Assert.Equal(HttpStatusCode.NotFound, (await stranger.AcceptAsync(run)).Status);
        Assert.Equal(before, await DeadlineAsync(run));
        Assert.Equal(run, Assert.Single((await Runner.PollAsync()).Value!.Offers).Run);
        Assert.Equal(HttpStatusCode.OK, (await Runner.AcceptAsync(run)).Status);
    }

    [Fact]
    public async Task An_older_session_learns_nothing_of_what_is_named()
    {
        var run = await OfferedAsync();
        var newer = Runs.Speak(Runner.Id, "r1");
        await newer.OpenAsync("another-nonce-of-16");

        Assert.Equal(HttpStatusCode.Conflict, (await Runner.PollAsync(1, 0, Naming(run))).Status);
        Assert.Equal(HoldAnswers.Keep, Assert.Single((await newer.PollAsync(1, 0, Naming(run))).Value!.Answers).Answer);
        Assert.Equal(HttpStatusCode.OK, (await newer.AcceptAsync(run)).Status);
    }

    [Fact]
    public async Task Five_hundred_may_be_named_however_often_each_and_in_whatever_state()
    {
        var run = await OfferedAsync();
        Hold[] holds = [Naming(run), Naming(run), new(run, 1, "tomorrow's"), .. Enumerable.Range(1, 497).Select(static number => Naming("run_0", number))];

        var answers = (await Runner.PollAsync(1, 0, holds)).Value!.Answers;

        Assert.Equal(holds.Select(static hold => (hold.Run, hold.Attempt)), answers.Select(static answer => (answer.Run, answer.Attempt)));
        Assert.Equal(Enumerable.Repeat(HoldAnswers.Keep, 3), answers.Take(3).Select(static answer => answer.Answer));
        Assert.All(answers.Skip(3), static answer => Assert.Equal(HoldAnswers.Abandon, answer.Answer));
    }

    public static TheoryData<string, int, string, string> Rubbish => new()
    {
        { "", 1, "offered", "holds[1].run" },
        { new string('r', 65), 1, "offered", "holds[1].run" },
        { "run_\0", 1, "offered", "holds[1].run" },
        { "run_\ud83d\ude00", 1, "offered", "holds[1].run" },
        { "run_0", 0, "offered", "holds[1].attempt" },
        { "run_0", int.MinValue, "offered", "holds[1].attempt" },
        { "run_0", 1, new string('o', 65), "holds[1].state" },
    };

    [Theory]
    [MemberData(nameof(Rubbish))]
    public async Task Rubbish_among_what_is_named_is_refused_with_its_place_and_the_session_goes_on(string run, int attempt, string state, string place)
    {
        var offered = await OfferedAsync();
        var rubbish = new Hold(run, attempt, state);

        var poll = await Runner.PollAsync(1, 0, Naming(offered), rubbish);
        var heartbeat = await Runner.HeartbeatAsync(Naming(offered), rubbish);

        Assert.Equal((HttpStatusCode.BadRequest, HttpStatusCode.BadRequest), (poll.Status, heartbeat.Status));
        Assert.Contains(place, poll.Body, StringComparison.Ordinal);
        Assert.Contains(place, heartbeat.Body, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await Runner.AcceptAsync(offered)).Status);
    }

    [Fact]
    public async Task More_than_five_hundred_are_refused_and_it_is_said_how_many_may_be()
    {
        Hold[] holds = [.. Enumerable.Range(1, 501).Select(static number => Naming("run_0", number))];

        foreach (var (status, body) in new[] { await Runner.PollAsync(1, 0, holds) is var poll ? (poll.Status, poll.Body) : default, await Runner.HeartbeatAsync(holds) is var beat ? (beat.Status, beat.Body) : default })
        {
            Assert.Equal(HttpStatusCode.BadRequest, status);
            Assert.Contains("must be at most 500", body, StringComparison.Ordinal);
        }
    }

    private static Hold Naming(string run, int attempt = 1) => new(run, attempt, AttemptStates.Offered);

    private async Task<string> OfferedAsync()
    {
        var run = await Runs.CreateAsync();
        Assert.Equal(run, Assert.Single((await Runner.PollAsync(1, 20)).Value!.Offers).Run);
        return run;
    }

    private async Task<long> DeadlineAsync(string run) => (await Runs.Server.Database.ScalarAsync($"select deadline from runs where id = {run}", Cancel))!.Value;
}
