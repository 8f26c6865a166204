using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Cli.Runner.Kubernetes;
using Lanyard.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Kubernetes;

/// <summary>Several replicas and one Lease, at an API server that refuses a write onto a version that is no longer the present one.</summary>
[Line("5.1")]
public sealed class LeaderLeaseTests : IAsyncDisposable
{
    private static readonly TimeSpan Step = TimeSpan.FromSeconds(1);
    private readonly ManualTime _time = new();
    private readonly Lock _lock = new();
    private readonly HashSet<string> _cut = [];
    private readonly List<LeaderLease> _replicas = [];
    private readonly CancellationTokenSource _end = new();
    private volatile bool _hangs;
    private DateTimeOffset _hangsSince;
    private JsonObject? _lease;
    private int _version;

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        foreach (var replica in _replicas) await replica.DisposeAsync();
        _end.Dispose();
    }

    private string? Holder
    {
        get
        {
            lock (_lock) return _lease?["spec"]?["holderIdentity"]?.GetValue<string>();
        }
    }

    [Fact]
    public async Task Of_many_replicas_that_begin_at_once_one_leads_and_goes_on_leading()
    {
        var replicas = Enumerable.Range(0, 8).Select(i => Replica($"r{i}")).ToList();
        var acquiring = replicas.ConvertAll(one => one.AcquireAsync(CancellationToken.None));
        await Eventually.HoldsAsync(() => Task.FromResult(acquiring.Exists(static one => one.IsCompletedSuccessfully)), "one leads");
        await PassAsync(120, static () => false);

        Assert.Single(acquiring.Select(static one => one.IsCompletedSuccessfully), static leads => leads);
        Assert.All(replicas, static one => Assert.False(one.Lost.IsCancellationRequested));
        Assert.Equal(1, _lease!["spec"]!["leaseTransitions"]!.GetValue<int>());
    }

    [Fact]
    public async Task A_leader_that_falls_silent_hears_that_it_leads_no_more_before_another_does()
    {
        var (first, second) = (Replica("first"), Replica("second"));
        await first.AcquireAsync(CancellationToken.None);
        var waiting = second.AcquireAsync(CancellationToken.None);
        Cut("first");

        await PassAsync(60, () => first.Lost.IsCancellationRequested || waiting.IsCompleted);
        Assert.True(first.Lost.IsCancellationRequested);
        Assert.False(waiting.IsCompleted);
        await PassAsync(60, () => waiting.IsCompleted);
        Assert.True(waiting.IsCompletedSuccessfully);
        Assert.Equal(("second", 2), (Holder, _lease!["spec"]!["leaseTransitions"]!.GetValue<int>()));
    }

    [Fact]
    public async Task A_leader_that_goes_gives_the_lease_back_and_the_next_need_not_wait_for_its_end()
    {
        var (first, second) = (Replica("first"), Replica("second"));
        await first.AcquireAsync(CancellationToken.None);
        var waiting = second.AcquireAsync(CancellationToken.None);
        _replicas.Remove(first);
        await first.DisposeAsync();
        Assert.Equal("", Holder);

        await PassAsync(4, () => waiting.IsCompleted);
        Assert.True(waiting.IsCompletedSuccessfully);
        Assert.Equal("second", Holder);
    }

    [Fact]
    public async Task Whose_clock_is_wrong_takes_nothing_from_a_leader_that_renews()
    {
        var first = Replica("first");
        await first.AcquireAsync(CancellationToken.None);
        var ahead = new LeaderLease(Api("ahead"), "runner", "ahead", new ShiftedTime(_time, TimeSpan.FromHours(1)), NullLogger.Instance);
        _replicas.Add(ahead);
        var waiting = ahead.AcquireAsync(CancellationToken.None);
        await PassAsync(120, static () => false);

        Assert.False(waiting.IsCompleted);
        Assert.Equal("first", Holder);
    }

    [Fact]
    public async Task A_leader_whose_API_server_hangs_believes_in_its_lease_no_longer_than_it_has_it()
    {
        var first = Replica("first");
        await first.AcquireAsync(CancellationToken.None);
        _hangs = true;
        await Eventually.HoldsAsync(
            () =>
            {
                _time.Advance(Step);
                return Task.FromResult(first.Lost.IsCancellationRequested);
            },
            "it leads no more");

        Assert.InRange((_time.GetUtcNow() - _hangsSince).TotalSeconds, 8, 12);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"kind":"Status","metadata":{}}""")]
    public async Task An_answer_that_is_no_lease_gives_nobody_the_lead(string answer)
    {
        var first = Replica("first");
        await first.AcquireAsync(CancellationToken.None);
        var confused = new LeaderLease(
            new ClusterApi(new HttpClient(new StubHandler(request => request.Method == HttpMethod.Get ? Task.FromResult(Of(HttpStatusCode.OK, answer)) : TakenAsync(request))), "https://cluster", "runs", tokenFile: null),
            "runner", "confused", _time, NullLogger.Instance);
        _replicas.Add(confused);
        var waiting = confused.AcquireAsync(CancellationToken.None);
        await PassAsync(60, static () => false);

        Assert.False(waiting.IsCompleted);
        Assert.Equal("first", Holder);
    }

    /// <summary>As an API server takes a write that names no version: it asks nothing.</summary>
    private async Task<HttpResponseMessage> TakenAsync(HttpRequestMessage request)
    {
        var lease = (JsonObject)JsonNode.Parse(await request.Content!.ReadAsStringAsync())!;
        lock (_lock) return Kept(lease);
    }

    private LeaderLease Replica(string identity)
    {
        var replica = new LeaderLease(Api(identity), "runner", identity, _time, NullLogger.Instance);
        _replicas.Add(replica);
        return replica;
    }

    private ClusterApi Api(string identity) =>
        new(new HttpClient(new StubHandler(request => AnswerAsync(identity, request))), "https://cluster", "runs", tokenFile: null);

    private void Cut(string identity)
    {
        lock (_lock) _cut.Add(identity);
    }

    /// <summary>A second after the other, and after each one until every replica sleeps again.</summary>
    private async Task PassAsync(int seconds, Func<bool> isEnough)
    {
        await SettleAsync();
        for (var i = 0; i < seconds && !isEnough(); i++)
        {
            _time.Advance(Step);
            await SettleAsync();
        }
    }

    private Task SettleAsync()
    {
        bool Sleeps() => _time.TimerCount == _replicas.Count(static one => !one.Lost.IsCancellationRequested);
        for (var turn = 0; turn < 1000 && !Sleeps(); turn++) Thread.Yield();
        return Eventually.HoldsAsync(() => Task.FromResult(Sleeps()), "every replica sleeps");
    }

    private async Task<HttpResponseMessage> AnswerAsync(string identity, HttpRequestMessage request)
    {
        if (_hangs)
        {
            if (_hangsSince == default) _hangsSince = _time.GetUtcNow();
            await new TaskCompletionSource().Task.WaitAsync(_end.Token);
        }

        var body = request.Content is null ? null : (JsonObject)JsonNode.Parse(await request.Content.ReadAsStringAsync())!;
        lock (_lock)
        {
            if (_cut.Contains(identity)) throw new HttpRequestException("cut off");
            var isStale = _lease is null || body?["metadata"]?["resourceVersion"]?.GetValue<string>() != _lease["metadata"]!["resourceVersion"]!.GetValue<string>();
            return request.Method.Method switch
            {
                "GET" when _lease is null => Of(HttpStatusCode.NotFound, "{}"),
                "GET" => Of(HttpStatusCode.OK, _lease.ToJsonString()),
                "POST" when _lease is not null => Of(HttpStatusCode.Conflict, "{}"),
                "PUT" when isStale => Of(HttpStatusCode.Conflict, "{}"),
                _ => Kept(body!),
            };
        }
    }

    private HttpResponseMessage Kept(JsonObject lease)
    {
        lease["metadata"]!["resourceVersion"] = $"{++_version}";
        _lease = lease;
        return Of(HttpStatusCode.OK, lease.ToJsonString());
    }

    private static HttpResponseMessage Of(HttpStatusCode status, string json) => new(status) { Content = new StringContent(json, Encoding.UTF8, "application/json") };

    /// <summary>A replica whose clock is wrong; seconds are as long for it as for the others.</summary>
    private sealed class ShiftedTime(TimeProvider time, TimeSpan by) : TimeProvider
    {
        public override long TimestampFrequency => time.TimestampFrequency;

        public override DateTimeOffset GetUtcNow() => time.GetUtcNow() + by;

        public override long GetTimestamp() => time.GetTimestamp();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => time.CreateTimer(callback, state, dueTime, period);
    }
}
