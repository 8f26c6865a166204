using Lanyard.Server.Cache.Limits;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>When somebody must count what a repository holds.</summary>
[Line("4.7")]
public sealed class CacheTallyTests
{
    private readonly CacheTally _tally = new(new ManualTime(DateTimeOffset.FromUnixTimeSeconds(1_900_000_000)));

    [Fact]
    public async Task Nobody_counts_while_there_is_room_and_somebody_does_once_there_is_none()
    {
        _tally.Counted("acme", "demo/app", 100, false, _tally.Begin(("acme", "demo/app")));

        _tally.Added("acme", "demo/app", 100);
        _tally.Added("acme", "demo/other", 1);
        _tally.Added("acme", "demo/app", 1);

        Assert.Equal([("acme", "demo/other"), ("acme", "demo/app")], await WantedAsync(2));
    }

    /// <summary>Each count looks at every entry of a workspace: many who save at once must not make one another count.</summary>
    [Fact]
    public async Task Many_who_add_at_once_where_there_is_room_make_nobody_count()
    {
        _tally.Counted("acme", "demo/app", 4 * 50_000, false, _tally.Begin(("acme", "demo/app")));
        using var start = new Barrier(4);

        var adding = Enumerable.Range(0, 4).Select(_ => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait(TimeSpan.FromSeconds(120));
                for (var i = 0; i < 50_000; i++) _tally.Added("acme", "demo/app", 1);
            },
            TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default));
        await Task.WhenAll(adding);
        _tally.Added("acme", "last", 1);
        _tally.Added("acme", "demo/app", 1);

        Assert.Equal([("acme", "last"), ("acme", "demo/app")], await WantedAsync(2));
    }

    [Theory]
    [InlineData("acme", true)]
    [InlineData(null, true)]
    [InlineData("other", false)]
    public async Task What_was_counted_by_other_quotas_counts_no_more(string? changed, bool isForgotten)
    {
        _tally.Counted("acme", "demo/app", 100, false, _tally.Begin(("acme", "demo/app")));

        _tally.Forget(changed);
        _tally.Added("acme", "demo/app", 1);
        _tally.Added("acme", "last", 1);

        Assert.Equal(("acme", isForgotten ? "demo/app" : "last"), (await WantedAsync(1))[0]);
    }

    [Fact]
    public async Task A_count_that_began_by_other_quotas_is_not_kept()
    {
        var begun = _tally.Begin(("acme", "demo/app"));
        _tally.Forget("acme");
        _tally.Counted("acme", "demo/app", 100, false, begun);

        _tally.Added("acme", "demo/app", 1);
        _tally.Added("acme", "last", 1);

        Assert.Equal([("acme", "demo/app"), ("acme", "last")], await WantedAsync(2));
    }

    private async Task<List<(string Workspace, string Repository)>> WantedAsync(int count)
    {
        var wanted = new List<(string, string)>();
        await foreach (var one in _tally.WantedAsync(TestContext.Current.CancellationToken))
        {
            wanted.Add(one);
            if (wanted.Count == count) break;
        }

        return wanted;
    }
}
