using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Attempts;
using Lanyard.Cli.Runner.Server;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Cli.Tests.Runner;

[Line("5.5")]
public sealed class AttemptPoolTests : IDisposable
{
    private readonly HttpClient _http = new(new StubHandler(static _ => throw new HttpRequestException("nobody is asked")));
    private readonly string _token = Path.GetTempFileName();

    public void Dispose()
    {
        _http.Dispose();
        File.Delete(_token);
    }

    /// <summary>A pod that does not go, a folder that takes long to be removed: named on, each poll would be told that it is over, and wait for no work.</summary>
    [Fact]
    public async Task What_is_over_and_only_being_cleared_away_has_its_place_and_is_named_in_no_poll()
    {
        await using var executor = new NoExecutor();
        var settings = new RunnerSettings(new Uri("https://server/"), "/nowhere", Concurrency: 2);
        var plane = new ControlPlane(_http, new TokenFileCredential(_token, TimeProvider.System), TimeProvider.System);
        var pool = new AttemptPool(
            settings, new RunnerSessions(settings, plane, executor, TimeProvider.System, NullLogger.Instance), executor, new RunnerServices(plane, TimeProvider.System, NullLogger.Instance));
        var attempt = new Attempt();
        pool.Adopt([attempt]);
        Assert.Equal((1, 1), (pool.Holds().Count, pool.Free));

        attempt.Tell();

        Assert.Equal((0, 1, 1), (pool.Holds().Count, pool.Free, pool.Count));
        attempt.Clear();
        await pool.EmptyAsync();
        Assert.Equal((0, 2), (pool.Count, pool.Free));
    }

    private sealed class Attempt() : HeldAttempt(new AttemptKey("run_1", 1), TimeProvider.System)
    {
        private readonly TaskCompletionSource<string?> _cleared = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private bool _isTold;

        public override string State => AttemptStates.Running;

        public override bool IsOver => _isTold;

        public void Tell() => _isTold = true;

        public void Clear() => _cleared.SetResult(RunStates.Succeeded);

        public override void Stop(StopReason reason)
        {
        }

        public override Task<string?> RunAsync() => _cleared.Task;

        public override void Dispose()
        {
        }
    }

    private sealed class NoExecutor : Executor
    {
        public override string Name => "none";

        public override bool IsSandboxed => true;

        public override bool OutlivesRunner => false;

        public override Task<Refusal?> CheckAsync(CancellationToken cancellationToken) => Task.FromResult<Refusal?>(null);

        public override Task<IReadOnlyList<HeldAttempt>> StartAsync(RunnerServices services, SessionResponse session, CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyList<HeldAttempt>>([]);

        public override HeldAttempt Create(AttemptPayload payload, int slot, SessionResponse session) => throw new NotSupportedException();

        public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
