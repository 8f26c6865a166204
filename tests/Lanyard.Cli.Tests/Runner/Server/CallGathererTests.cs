using System.Net;
using Lanyard.Cli.Runner.Server;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Server;

/// <summary>Which calls travel together, and what becomes of each when that goes wrong.</summary>
[Line("5.5")]
public sealed class CallGathererTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);
    private readonly ManualTime _time = new();
    private readonly List<(BatchRequest Request, TaskCompletionSource<Answer<BatchResponse>> Answer)> _together = [];
    private readonly List<(string Run, TaskCompletionSource<Answer<AttemptAnswer>> Answer)> _singly = [];
    private readonly CallGatherer _gatherer;

    public CallGathererTests() => _gatherer = new CallGatherer(
        request =>
        {
            var answer = new TaskCompletionSource<Answer<BatchResponse>>(TaskCreationOptions.RunContinuationsAsynchronously);
            _together.Add((request, answer));
            return answer.Task;
        },
        _time);

    [Fact]
    public async Task A_lone_call_goes_at_once_and_by_itself_and_so_does_the_next()
    {
        for (var i = 0; i < 3; i++)
        {
            var asked = Ask($"run_{i}");
            Assert.Equal($"run_{i}", _singly[^1].Run);
            _singly[^1].Answer.SetResult(Ok("running"));
            Assert.Equal("running", (await asked.WaitAsync(Deadline)).Value!.State);
        }

        Assert.Empty(_together);
        Assert.Equal(0, _time.TimerCount);
    }

    [Fact]
    public async Task What_comes_while_a_call_is_on_its_way_goes_together_and_each_gets_its_own_answer()
    {
        var first = Ask("run_0");
        var others = Enumerable.Range(1, 3).Select(i => Ask($"run_{i}")).ToList();
        Assert.Single(_singly);
        _singly[0].Answer.SetResult(Ok("running"));
        await first.WaitAsync(Deadline);
        await SentAsync(1);

        _together[0].Answer.SetResult(All(new(200, Answer: new("running")), new(409), new(503, RetryAfterSeconds: 2)));
        var answers = await Task.WhenAll(others).WaitAsync(Deadline);

        Assert.Equal(["run_1", "run_2", "run_3"], _together[0].Request.Calls.Select(call => call.Run));
        Assert.Equal([AnswerKind.Ok, AnswerKind.Stale, AnswerKind.Retry], answers.Select(answer => answer.Kind));
        Assert.Equal(("running", TimeSpan.FromSeconds(2)), (answers[0].Value!.State, answers[2].RetryAfter));
        Assert.Single(_singly);
    }

    [Fact]
    public async Task One_that_has_waited_alone_goes_by_itself()
    {
        var first = Ask("run_0");
        var second = Ask("run_1");
        _singly[0].Answer.SetResult(Ok("running"));
        await first.WaitAsync(Deadline);
        await Eventually.HoldsAsync(() => Task.FromResult(_singly.Count == 2), "the second is sent");
        _singly[1].Answer.SetResult(Ok("ended"));

        Assert.Equal("ended", (await second.WaitAsync(Deadline)).Value!.State);
        Assert.Empty(_together);
    }

    [Fact]
    public async Task No_request_has_more_calls_than_the_server_takes()
    {
        var first = Ask("run_0");
        var others = Enumerable.Range(1, 120).Select(i => Ask($"run_{i}")).ToList();
        _singly[0].Answer.SetResult(Ok("running"));
        await first.WaitAsync(Deadline);
        for (var sent = 1; sent <= 3; sent++)
        {
            await SentAsync(sent);
            var (request, answer) = _together[^1];
            answer.SetResult(All([.. request.Calls.Select(_ => new BatchedAnswer(200, Answer: new("running")))]));
        }

        Assert.All(await Task.WhenAll(others).WaitAsync(Deadline), answer => Assert.Equal(AnswerKind.Ok, answer.Kind));
        Assert.Equal([50, 50, 20], _together.Select(sent => sent.Request.Calls.Count));
    }

    [Fact]
    public async Task A_call_that_is_stuck_holds_the_others_up_for_a_moment_only()
    {
        var stuck = Ask("run_0");
        var others = Enumerable.Range(1, 2).Select(i => Ask($"run_{i}")).ToList();
        _time.Advance(CallGatherer.LongestWait);
        await SentAsync(1);
        _together[0].Answer.SetResult(All(new(200, Answer: new("ended")), new(200, Answer: new("ended"))));

        await Task.WhenAll(others).WaitAsync(Deadline);
        Assert.False(stuck.IsCompleted);
    }

    [Theory]
    [InlineData(404)]
    [InlineData(413)]
    [InlineData(409)]
    public async Task Where_the_server_does_not_take_them_together_each_goes_by_itself_and_so_do_later_ones_for_a_while(int status)
    {
        var others = await GatherAsync(2);
        _together[0].Answer.SetResult(new Answer<BatchResponse>(ControlPlane.KindOf((HttpStatusCode)status)));
        await Eventually.HoldsAsync(() => Task.FromResult(_singly.Count == 3), "both are sent");
        var (late, later) = (Ask("run_8"), Ask("run_9"));
        Assert.Equal(["run_0", "run_1", "run_2", "run_8", "run_9"], _singly.Select(sent => sent.Run));
        _singly[1..].ForEach(sent => sent.Answer.SetResult(Ok("ended")));
        Assert.All(await Task.WhenAll([.. others, late, later]).WaitAsync(Deadline), answer => Assert.Equal("ended", answer.Value!.State));

        _time.Advance(CallGatherer.PauseAfterRefusal);
        var alone = Ask("run_a");
        await SentSinglyAsync("run_a");
        var (again, more) = (Ask("run_b"), Ask("run_c"));
        _singly[^1].Answer.SetResult(Ok("ended"));
        await alone.WaitAsync(Deadline);
        await SentAsync(2);
        Assert.False(again.IsCompleted || more.IsCompleted);
    }

    [Theory]
    [InlineData(503)]
    [InlineData(200)]
    public async Task After_no_answer_or_half_a_one_each_is_to_be_made_again_and_goes_by_itself(int status)
    {
        var others = await GatherAsync(2);
        _together[0].Answer.SetResult(new Answer<BatchResponse>(ControlPlane.KindOf((HttpStatusCode)status), status == 200 ? new BatchResponse([new(200, Answer: new("ended"))]) : null));

        Assert.All(await Task.WhenAll(others).WaitAsync(Deadline), answer => Assert.Equal((AnswerKind.Retry, null), (answer.Kind, answer.Value)));
        var (again, other) = (Ask("run_1"), Ask("run_2"));
        Assert.Equal(["run_0", "run_1", "run_2"], _singly.Select(sent => sent.Run));
        Assert.False(again.IsCompleted || other.IsCompleted);
    }

    [Fact]
    public async Task An_exception_on_the_way_loses_no_call()
    {
        var others = await GatherAsync(2);
        _together[0].Answer.SetException(new InvalidOperationException("a bug"));

        Assert.All(await Task.WhenAll(others).WaitAsync(Deadline), answer => Assert.Equal(AnswerKind.Retry, answer.Kind));
        _ = Ask("run_3");
        await SentSinglyAsync("run_3");
    }

    [Fact]
    public async Task One_that_is_to_be_asked_singly_is_and_an_answer_that_is_none_is_asked_for_again()
    {
        var others = await GatherAsync(3);
        _together[0].Answer.SetResult(All(new(Batches.AskSingly), new(200), null!));
        await Eventually.HoldsAsync(() => Task.FromResult(_singly.Count == 2), "the first is sent");
        _singly[1].Answer.SetResult(Ok("running"));

        var answers = await Task.WhenAll(others).WaitAsync(Deadline);
        Assert.Equal([AnswerKind.Ok, AnswerKind.Retry, AnswerKind.Retry], answers.Select(answer => answer.Kind));
    }

    [Fact]
    public async Task Who_gives_up_waiting_is_not_sent_and_who_gives_up_later_keeps_nobody_from_an_answer()
    {
        using var early = new CancellationTokenSource();
        using var late = new CancellationTokenSource();
        var first = Ask("run_0");
        var (gone, going, staying) = (Ask("run_1", early.Token), Ask("run_2", late.Token), Ask("run_3"));
        await early.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => gone);
        _singly[0].Answer.SetResult(Ok("running"));
        await first.WaitAsync(Deadline);
        await SentAsync(1);
        await late.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => going);
        _together[0].Answer.SetResult(All(new(200, Answer: new("ended")), new(200, Answer: new("running"))));

        Assert.Equal("running", (await staying.WaitAsync(Deadline)).Value!.State);
        Assert.Equal(["run_2", "run_3"], _together[0].Request.Calls.Select(call => call.Run));
    }

    private async Task<List<Task<Answer<AttemptAnswer>>>> GatherAsync(int count)
    {
        var first = Ask("run_0");
        var others = Enumerable.Range(1, count).Select(i => Ask($"run_{i}")).ToList();
        _singly[0].Answer.SetResult(Ok("running"));
        await first.WaitAsync(Deadline);
        await SentAsync(1);
        return others;
    }

    private Task SentSinglyAsync(string run) => Eventually.HoldsAsync(() => Task.FromResult(_singly[^1].Run == run), $"{run} is sent by itself");

    private Task SentAsync(int requests) => Eventually.HoldsAsync(() => Task.FromResult(_together.Count == requests), $"{requests} requests are sent");

    private Task<Answer<AttemptAnswer>> Ask(string run, CancellationToken giveUp = default) => _gatherer.AskAsync(new GatheredCall<AttemptAnswer>(
        () => new BatchedCall(BatchedKinds.Start, run, 1, default),
        token =>
        {
            token.ThrowIfCancellationRequested();
            var answer = new TaskCompletionSource<Answer<AttemptAnswer>>(TaskCreationOptions.RunContinuationsAsynchronously);
            _singly.Add((run, answer));
            return answer.Task.WaitAsync(token);
        },
        static answer => answer.Answer,
        giveUp));

    private static Answer<AttemptAnswer> Ok(string state) => new(AnswerKind.Ok, new AttemptAnswer(state));

    private static Answer<BatchResponse> All(params BatchedAnswer[] answers) => new(AnswerKind.Ok, new BatchResponse(answers));
}
