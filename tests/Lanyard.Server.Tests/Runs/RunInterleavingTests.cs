using System.Globalization;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Runners;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("2.9")]
public sealed class SqliteRunInterleavingTests() : RunInterleavingTests(DatabaseKind.Sqlite);

[Line("2.9")]
[Needs("postgres")]
public sealed class PostgresRunInterleavingTests() : RunInterleavingTests(DatabaseKind.Postgres);

/// <summary>
/// Runners that poll, accept, start, end, forget, restart and fall silent in an order that chance gives, with cancels and sweeps in between and calls
/// that come twice or late. Whatever the order, what design §7 promises holds after every step.
/// </summary>
public abstract class RunInterleavingTests(DatabaseKind kind)
{
    private const int Steps = 150;
    private const int Runners = 3;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task Whatever_the_order_of_calls_the_promises_hold(int seed)
    {
        await using var test = await TestDatabase.CreateAsync(kind);
        var time = new ManualTime();
        await using var runs = RunsHarness.On(test.Database, time);
        var world = new World(runs, time, new Random(seed));
        await world.BeginAsync();
        for (var i = 0; i < Steps; i++)
        {
            await world.StepAsync();
            await world.CheckAsync($"seed {seed}, step {i}: {world.Last}");
        }

        await world.LetTimePassAsync();
        foreach (var run in await world.AllAsync())
            Assert.True(run.IsFinal, $"seed {seed}: {run.Id} is {run.State}/{run.AttemptState} for ever");
    }

    private sealed class World(RunsHarness runs, ManualTime time, Random random)
    {
        private readonly List<string> _ids = [];
        private readonly ActiveRunner[] _runners = new ActiveRunner[Runners];

        /// <summary>Everything that was ever offered, with the session of that time: late calls come from here.</summary>
        private readonly List<(int Who, ActiveRunner Runner, OfferedRun Offer)> _offers = [];
        private readonly HashSet<(string Run, int Attempt)> _ended = [];
        private readonly Dictionary<string, int> _highest = new(StringComparer.Ordinal);
        private int _nonces;

        public string Last { get; private set; } = "";

        public async Task BeginAsync()
        {
            for (var i = 0; i < Runners; i++)
                _runners[i] = await runs.RunnerAsync($"rnr_{i}", i == 0 ? ["col_1", "col_2"] : ["col_1"]);
        }

        public Task StepAsync()
        {
            var dice = random.Next(100);
            return dice switch
            {
                < 14 => CreateAsync(),
                < 34 => PollAsync(),
                < 50 => AcceptAsync(),
                < 60 => StartAsync(),
                < 72 => EndAsync(),
                < 80 => HeartbeatAsync(),
                < 84 => CancelAsync(),
                < 87 => RestartAsync(),
                _ => PassAsync(TimeSpan.FromSeconds(random.Next(1, 30))),
            };
        }

        public async Task CheckAsync(string when)
        {
            foreach (var run in await AllAsync())
            {
                var attempts = await runs.Queries.AttemptsAsync(run.Id, default);
                var numbers = attempts.Select(a => a.Attempt).ToList();
                if (run.Attempt > 0 && !numbers.Contains(run.Attempt))
                    numbers.Add(run.Attempt);
                Assert.True(numbers.SequenceEqual(Enumerable.Range(1, run.Attempt)), $"{when}: {run.Id} has the attempts {string.Join(',', numbers)}");
                Assert.True(attempts.TrueForAll(a => AttemptStates.IsOver(a.State)), $"{when}: {run.Id} has an old attempt that is not over");
                Assert.True(run.Attempt >= _highest.GetValueOrDefault(run.Id), $"{when}: {run.Id} went back to attempt {run.Attempt}");
                Assert.False(run.IsFinal && run.IsLive, $"{when}: {run.Id} is {run.State} with an attempt that is {run.AttemptState}");
                Assert.True(run.IsFinal || run.IsLive || run.IsWaiting, $"{when}: {run.Id} is nowhere: {run.State}/{run.AttemptState}");
                Assert.True(run.Accepts <= 3, $"{when}: {run.Id} was accepted {run.Accepts} times");
                _highest[run.Id] = run.Attempt;
            }
        }

        /// <summary>Everybody falls silent: the sweeper alone must bring everything to an end.</summary>
        public async Task LetTimePassAsync()
        {
            for (var i = 0; i < 5; i++)
            {
                time.Advance(TimeSpan.FromHours(25));
                await runs.Sweeper.SweepAsync(default);
                await runs.Sweeper.SweepQueuesAsync(default);
            }
        }

        public async Task<List<RunRecord>> AllAsync()
        {
            var all = new List<RunRecord>();
            foreach (var id in _ids)
                all.Add(await runs.GetAsync(id));
            return all;
        }

        private async Task CreateAsync() =>
            _ids.Add((await runs.CreateRunAsync(random.Next(2) == 0 ? "col_1" : "col_2", random.Next(3), random.Next(2) == 0 ? "run" : "apply")).Id);

        private async Task PollAsync()
        {
            var who = random.Next(Runners);
            Last = string.Create(CultureInfo.InvariantCulture, $"poll of {who}");
            foreach (var offer in await runs.PollAsync(_runners[who], random.Next(1, 4), TimeSpan.Zero, default))
                _offers.Add((who, _runners[who], offer));
        }

        private async Task AcceptAsync()
        {
            if (Any() is not { } one)
                return;
            Last = $"accept of {one.Offer.Run}/{one.Offer.Attempt}";
            // Twice at once: the answer of one may have been lost.
            await Task.WhenAll(runs.AcceptAsync(one.Runner, one.Offer), runs.AcceptAsync(one.Runner, one.Offer));
        }

        private async Task StartAsync()
        {
            if (Any() is not { } one)
                return;
            Last = $"start of {one.Offer.Run}/{one.Offer.Attempt}";
            await runs.StartAsync(one.Runner, one.Offer);
        }

        private async Task EndAsync()
        {
            if (Any() is not { } one)
                return;
            Last = $"end of {one.Offer.Run}/{one.Offer.Attempt}";
            var outcome = random.Next(4) switch { 0 => RunStates.Failed, 1 => AttemptOutcomes.RunnerError, 2 => RunStates.Canceled, _ => RunStates.Succeeded };
            var ends = await Task.WhenAll(runs.EndAsync(one.Runner, one.Offer, outcome), runs.EndAsync(one.Runner, one.Offer, RunStates.Succeeded));
            var took = ends.Count(e => !e.IsRefused && !e.Value.IsNone);
            Assert.True(took <= 1, $"{Last} was taken twice");
            if (took == 1)
                Assert.True(_ended.Add((one.Offer.Run, one.Offer.Attempt)), $"{Last} was taken again");
        }

        private async Task HeartbeatAsync()
        {
            var who = random.Next(Runners);
            Last = string.Create(CultureInfo.InvariantCulture, $"heartbeat of {who}");
            var holds = _offers.Where(o => o.Who == who && random.Next(2) == 0).Select(o => new Hold(o.Offer.Run, o.Offer.Attempt, AttemptStates.Running)).Distinct().Take(50).ToArray();
            foreach (var answer in await runs.Holds.AnswerAsync(_runners[who], holds, default))
            {
                var run = await runs.GetAsync(answer.Run);
                var isMine = run.Attempt == answer.Attempt && run.IsLive && run.Session == _runners[who].Session!.Session;
                Assert.True(answer.Answer == HoldAnswers.Abandon || isMine, $"{Last}: {answer.Answer} of {answer.Run}/{answer.Attempt}, which it does not have");
            }
        }

        private Task CancelAsync()
        {
            if (_ids.Count == 0)
                return Task.CompletedTask;
            var run = _ids[random.Next(_ids.Count)];
            Last = $"cancel of {run}";
            return runs.CancelAsync(run);
        }

        private async Task RestartAsync()
        {
            var who = random.Next(Runners);
            Last = string.Create(CultureInfo.InvariantCulture, $"restart of {who}");
            _runners[who] = await runs.SessionAsync(_runners[who], $"again {++_nonces}");
        }

        private Task PassAsync(TimeSpan span)
        {
            Last = $"{span.TotalSeconds} s";
            time.Advance(span);
            return runs.Sweeper.SweepAsync(default);
        }

        /// <summary>Mostly something recent, at times something long gone.</summary>
        private (int Who, ActiveRunner Runner, OfferedRun Offer)? Any()
        {
            if (_offers.Count == 0)
                return null;
            var back = random.Next(3) == 0 ? random.Next(_offers.Count) : random.Next(Math.Min(5, _offers.Count));
            return _offers[_offers.Count - 1 - back];
        }
    }
}
