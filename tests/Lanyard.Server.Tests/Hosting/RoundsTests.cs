using System.Threading.Channels;
using Lanyard.Server.Hosting;
using Lanyard.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Server.Tests.Hosting;

/// <summary>What is done in the background goes on, whatever one round comes to.</summary>
[Line("4.7")]
public sealed class RoundsTests
{
    private static readonly TimeSpan Every = TimeSpan.FromMinutes(5);
    private readonly ManualTime _time = new();
    private readonly Channel<int> _rounds = Channel.CreateUnbounded<int>();
    private int _count;

    public static TheoryData<Exception> Faults => [new InvalidOperationException(), new TaskCanceledException("a library's time-out"), new FormatException()];

    [Theory]
    [MemberData(nameof(Faults), DisableDiscoveryEnumeration = true)]
    public async Task A_round_that_fails_in_whatever_way_is_told_and_the_next_one_comes(Exception fault)
    {
        using var stop = new CancellationTokenSource();
        var log = new Told();
        var rounds = Rounds.RepeatAsync("sweep of things", Every, _ => RoundAsync(fault), _time, log, stop.Token);
        Assert.Equal(0, _count);

        for (var i = 1; i <= 3; i++)
        {
            _time.Advance(Every);
            Assert.Equal(i, await _rounds.Reader.ReadAsync(TestContext.Current.CancellationToken));
        }

        await stop.CancelAsync();
        await rounds;
        Assert.All(log.Lines, static line => Assert.Equal("The sweep of things failed; it is tried again", line));
        Assert.Equal(3, log.Lines.Count);
    }

    [Fact]
    public async Task A_server_that_stops_ends_the_round_and_nothing_is_told_of_it()
    {
        using var stop = new CancellationTokenSource();
        var log = new Told();
        var rounds = Rounds.RepeatAsync("sweep", Every, token => Task.Delay(Timeout.InfiniteTimeSpan, _time, token), _time, log, stop.Token, isAtOnce: true);

        await stop.CancelAsync();
        await rounds;

        Assert.Empty(log.Lines);
    }

    [Fact]
    public async Task Whether_a_single_try_went_well_is_said()
    {
        Assert.True(await Rounds.TryAsync("try", static _ => Task.CompletedTask, NullLogger.Instance, CancellationToken.None));
        Assert.False(await Rounds.TryAsync("try", static _ => throw new TimeoutException(), NullLogger.Instance, CancellationToken.None));
    }

    private async Task RoundAsync(Exception fault)
    {
        await _rounds.Writer.WriteAsync(++_count);
        throw fault;
    }

    private sealed class Told : ILogger
    {
        public List<string> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Lines.Add(formatter(state, exception));
    }
}
