using System.Collections.Concurrent;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner;

/// <summary>A runner that takes many runs at once speaks for several of them in one call, and loses none when that does not work.</summary>
[Line("5.5")]
[Needs("bwrap")]
public sealed class BatchingRunnerTests : IAsyncLifetime
{
    private const int Count = 12;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);
    private FakeControlPlane _plane = null!;

    public async ValueTask InitializeAsync() => _plane = await FakeControlPlane.StartAsync();

    public ValueTask DisposeAsync() => _plane.DisposeAsync();

    [Fact]
    public async Task Runs_that_are_offered_together_are_accepted_in_fewer_calls_and_each_is_executed_once()
    {
        var attempts = Enqueue();
        await using var runner = Start();

        await EndWellAsync(attempts);

        Assert.Contains(_plane.Batches, batch => batch.Calls.Count(call => call.Kind == BatchedKinds.Accept) > 1);
        Assert.All(_plane.Batches.SelectMany(batch => batch.Calls), call => Assert.Contains("\"session\":\"ses_1\"", call.Body.GetRawText(), StringComparison.Ordinal));
        Assert.All(attempts, attempt => Assert.Equal((1, 1, 1), (attempt.Accepts, attempt.Starts, attempt.Ends)));
    }

    [Fact]
    public async Task A_runner_of_one_run_at_a_time_never_batches()
    {
        var attempts = Enqueue();
        await using var runner = new RunnerUnderTest(_plane, static settings => settings with { Concurrency = 1 });

        await EndWellAsync(attempts);

        Assert.Empty(_plane.Batches);
    }

    [Fact]
    public async Task With_an_older_server_each_call_goes_by_itself_and_the_server_is_not_asked_again_and_again()
    {
        var asked = new ConcurrentQueue<string>();
        _plane.KnowsBatches = false;
        _plane.FaultOf = name =>
        {
            asked.Enqueue(name);
            return Fault.None;
        };
        var attempts = Enqueue();
        await using var runner = Start();

        await EndWellAsync(attempts);

        Assert.InRange(asked.Count(name => name == "calls"), 1, Count / 3);
        Assert.All(attempts, attempt => Assert.Equal((1, 1, 1), (attempt.Accepts, attempt.Starts, attempt.Ends)));
    }

    [Theory]
    [InlineData(Fault.LoseAnswer)]
    [InlineData(Fault.LoseCall)]
    [InlineData(Fault.Unavailable)]
    public async Task A_batch_of_which_nobody_knows_what_it_did_costs_no_run_and_runs_none_twice(Fault fault)
    {
        _plane.FaultOf = name => name == "calls" ? fault : Fault.None;
        var attempts = Enqueue();
        await using var runner = Start();

        await EndWellAsync(attempts);

        Assert.Equal(fault != Fault.LoseAnswer, _plane.Batches.IsEmpty);
    }

    [Theory]
    [InlineData("accept")]
    [InlineData("start")]
    [InlineData("end")]
    public async Task One_call_of_a_batch_that_fails_is_made_again_until_it_is_answered(string kind)
    {
        var left = 8;
        _plane.FaultOf = name => name == kind && Interlocked.Decrement(ref left) >= 0 ? (left % 2 == 0 ? Fault.LoseAnswer : Fault.Unavailable) : Fault.None;
        var attempts = Enqueue();
        await using var runner = Start();

        await EndWellAsync(attempts);
    }

    /// <summary>A server that does not hear of it makes the same offers in every poll, and no others.</summary>
    [Fact]
    public async Task A_poll_names_the_offers_that_are_being_accepted()
    {
        _plane.FaultOf = name => name == "accept" && !_plane.Polls.Any(static poll => poll.Holds.Any(static hold => hold.State == AttemptStates.Offered)) ? Fault.Unavailable : Fault.None;
        var attempts = Enqueue();
        await using var runner = Start();

        await EndWellAsync(attempts);

        var named = _plane.Polls.SelectMany(static poll => poll.Holds).Where(static hold => hold.State == AttemptStates.Offered).Select(static hold => (hold.Run, hold.Attempt));
        Assert.Subset(attempts.Select(static attempt => (attempt.Payload.Run, attempt.Payload.Attempt)).ToHashSet(), named.ToHashSet());
    }

    /// <summary>Named on, it would have each poll answered at once and without work for as long as the accept is tried.</summary>
    [Fact]
    public async Task An_offer_that_no_longer_stands_is_not_named_again_and_other_runs_go_on()
    {
        _plane.FaultOf = static name => name == "accept" ? Fault.Unavailable : Fault.None;
        var lapsed = _plane.Enqueue(Payloads.Of(Payloads.Script("echo once")));
        lapsed.Answer = HoldAnswers.Abandon;
        await using var runner = Start();
        await Eventually.HoldsAsync(() => Task.FromResult(_plane.Polls.Count(poll => Names(poll, lapsed)) == 1 && !Names(_plane.Polls.Last(), lapsed)), "a poll that does not name it any more");

        var attempts = Enqueue(3);
        await Eventually.HoldsAsync(() => Task.FromResult(attempts.TrueForAll(attempt => _plane.Polls.Any(poll => Names(poll, attempt)))), "the others are offered and named");
        _plane.FaultOf = static _ => Fault.None;

        await EndWellAsync(attempts);
    }

    private static bool Names(PollRequest poll, FakeAttempt attempt) => poll.Holds.Any(hold => hold.Run == attempt.Payload.Run && hold.State == AttemptStates.Offered);

    private List<FakeAttempt> Enqueue(int count = Count) => [.. Enumerable.Range(0, count).Select(_ => _plane.Enqueue(Payloads.Of(Payloads.Script("echo once"))))];

    private RunnerUnderTest Start() => new(_plane, static settings => settings with { Concurrency = Count });

    /// <summary>Also when the ends came first to a server that answered nobody.</summary>
    private async Task EndWellAsync(List<FakeAttempt> attempts)
    {
        foreach (var attempt in attempts)
        {
            Assert.Equal(RunStates.Succeeded, (await attempt.Ended.WaitAsync(Deadline)).Outcome);
            Assert.Equal("[lanyard] step step\nonce\n", attempt.Log);
        }

        await Eventually.HoldsAsync(() => Task.FromResult(_plane.Polls.Last().Holds.Count == 0), "the runner holds nothing");
    }
}
