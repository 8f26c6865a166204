using Lanyard.Server.Runs;
using Lanyard.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

/// <summary>The one look-out for all who follow a log, when something happens to it that nobody has thought of.</summary>
[Line("5.7")]
public sealed class LogTailsTests : IAsyncLifetime
{
    private readonly BrokenTime _time = new();
    private RunsServer _runs = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _runs = await RunsServer.StartAsync(time: _time);

    public async ValueTask DisposeAsync()
    {
        if (_runs is not null)
            await _runs.DisposeAsync();
    }

    [Fact]
    public async Task Those_who_follow_are_woken_when_their_look_out_breaks_and_the_next_has_a_new_one()
    {
        var tails = Tails();
        var run = (await _runs.Get<RunStore>().FindAsync(await _runs.CreateAsync(), Cancel))!;
        _time.IsBroken = true;
        using (tails.Follow(run, out var broken))
        {
            await Eventually.HoldsAsync(() => Task.FromResult(broken.IsBroken), "the look-out broke");
            await broken.Now.Next.WaitAsync(TimeSpan.FromSeconds(60), Cancel);
            Assert.False(broken.Now.State.Run.IsFinal);

            _time.IsBroken = false;
            using (tails.Follow(run, out var whole))
            {
                Assert.NotSame(broken, whole);
                var next = whole.Now.Next;
                await _runs.Server.SendAsync(HttpMethod.Post, $"{RunsServer.Runs}/{run.Id}/cancel", "admin", "{}");
                await next.WaitAsync(TimeSpan.FromSeconds(60), Cancel);
                Assert.True(whole.Now.State.Run.IsFinal);
            }
        }

        Assert.Equal(0, tails.Followers);
    }

    [Fact]
    public async Task A_stream_whose_look_out_breaks_is_cut_off_and_never_ends_as_if_the_run_had()
    {
        var run = await _runs.CreateAsync();
        _time.IsBroken = true;
        using (var request = new HttpRequestMessage(HttpMethod.Get, $"{RunsServer.Runs}/{run}/logs/stream"))
        {
            request.Headers.Authorization = new("Bearer", "admin");
            var cut = await Record.ExceptionAsync(async () => await (await _runs.Server.Client.SendAsync(request, Cancel)).Content.ReadAsStringAsync(Cancel).WaitAsync(TimeSpan.FromSeconds(60), Cancel));
            Assert.True(cut is HttpRequestException or IOException or OperationCanceledException, cut?.ToString() ?? "it ended");
        }

        _time.IsBroken = false;
        await _runs.Server.SendAsync(HttpMethod.Post, $"{RunsServer.Runs}/{run}/cancel", "admin", "{}");
        Assert.Contains("event: end", (await _runs.Server.GetAsync($"{RunsServer.Runs}/{run}/logs/stream")).Body, StringComparison.Ordinal);
        await Eventually.HoldsAsync(() => Task.FromResult(_runs.Get<LogTails>().Followers == 0), "nobody follows");
    }

    private LogTails Tails() => new(_runs.Get<RunLogs>(), _runs.Get<LogSignals>(), _runs.Get<RunStore>(), _time, NullLogger<LogTails>.Instance);

    /// <summary>The real time, which can be broken for whoever wants to wait a second, as a look-out does.</summary>
    private sealed class BrokenTime : TimeProvider
    {
        public bool IsBroken { get; set; }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            IsBroken && dueTime == TimeSpan.FromSeconds(1) ? throw new NotSupportedException("broken by the test") : base.CreateTimer(callback, state, dueTime, period);
    }
}
