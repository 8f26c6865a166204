using System.Collections.Concurrent;
using System.Net;
using Lanyard.Protocol.Runs;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Testing.Runs;

/// <summary>
/// The server's side of the run protocol on a real loopback port, without rules of its own: it hands out what a test gives it, loses
/// what a test says, and remembers what runners said.
/// </summary>
public sealed class FakeControlPlane : IAsyncDisposable
{
    private int _waitingPolls;
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<FakeAttempt> _queue = new();
    private readonly FakeAttemptCalls _calls = new();
    private readonly CancellationTokenSource _stopped = new();
    private TaskCompletionSource _news = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private FakeControlPlane(WebApplication app) => _app = app;

    public int LeaseSeconds { get; set; } = 30;

    public int MaxLogChunkBytes { get; set; } = 64 * 1024;

    /// <summary>Every poll is answered so at once.</summary>
    public bool Drain { get; set; }

    /// <summary>What the session says of the runner.</summary>
    public bool Ephemeral { get; set; }

    public IReadOnlyList<string> Collections { get; set; } = ["acme/prod"];

    /// <summary>Asked before each call; the names are session, poll, heartbeat, accept, start, step, log, end, token, calls.</summary>
    public Func<string, Fault> FaultOf { get; set; } = static _ => Fault.None;

    public ConcurrentQueue<SessionRequest> Sessions { get; } = new();

    public ConcurrentQueue<PollRequest> Polls { get; } = new();

    /// <summary>Polls that wait at this moment. A killed runner's stays until its connection is seen to be gone, and would be given the next run.</summary>
    public int WaitingPolls => Volatile.Read(ref _waitingPolls);

    /// <summary>False: as a server that is older than batches.</summary>
    public bool KnowsBatches { get; set; } = true;

    public ConcurrentQueue<BatchRequest> Batches { get; } = new();

    public ConcurrentQueue<HeartbeatRequest> Heartbeats { get; } = new();

    /// <summary>Its token endpoints, and the requests of hosts to become runners.</summary>
    public FakeLogins Logins { get; } = new();

    /// <summary>Bearers of the calls under /v1.</summary>
    public ConcurrentQueue<string> Bearers { get; } = new();

    public Uri Url { get; private set; } = null!;

    public static async Task<FakeControlPlane> StartAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Services.AddRoutingCore();
        builder.Services.Configure<Microsoft.Extensions.Hosting.HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(1));
        var plane = new FakeControlPlane(builder.Build());
        plane.Map();
        await plane._app.StartAsync();
        plane.Url = new Uri(plane._app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.Single());
        return plane;
    }

    /// <summary>Puts a run into the queue; its issuer becomes this server's.</summary>
    public FakeAttempt Enqueue(AttemptPayload payload)
    {
        var attempt = new FakeAttempt(payload with { Issuer = $"{Url.AbsoluteUri.TrimEnd('/')}/oidc/{payload.Workspace}", LeaseSeconds = LeaseSeconds });
        _calls.Attempts[$"{payload.Run}/{payload.Attempt}"] = attempt;
        _queue.Enqueue(attempt);
        Wake();
        return attempt;
    }

    /// <summary>Drains the runner: its waiting poll is answered at once.</summary>
    public void BeginDrain()
    {
        Drain = true;
        Wake();
    }

    /// <summary>Makes the next poll or heartbeat answer so; waiting polls answer at once.</summary>
    public void Tell(FakeAttempt attempt, string answer)
    {
        attempt.Answer = answer;
        Wake();
    }

    public async ValueTask DisposeAsync()
    {
        await _stopped.CancelAsync();
        await _app.DisposeAsync();
        _stopped.Dispose();
    }

    private void Wake() => Interlocked.Exchange(ref _news, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();

    private void Map()
    {
        _app.UseRouting();
        On("POST", "/v1/runner/session", "session", SessionAsync);
        On("POST", "/v1/runner/poll", "poll", PollAsync);
        On("POST", "/v1/runner/heartbeat", "heartbeat", HeartbeatAsync);
        On("POST", "/v1/runner/calls", "calls", BatchAsync);
        On("POST", "/v1/runner/attempts/{run}/{attempt}/accept", "accept", _calls.AcceptAsync);
        On("POST", "/v1/runner/attempts/{run}/{attempt}/start", "start", _calls.StartAsync);
        On("PUT", "/v1/runner/attempts/{run}/{attempt}/steps/{index}", "step", _calls.StepAsync);
        On("POST", "/v1/runner/attempts/{run}/{attempt}/log", "log", _calls.LogAsync);
        On("POST", "/v1/runner/attempts/{run}/{attempt}/end", "end", _calls.EndAsync);
        On("POST", "/oidc/{workspace}/token", "token", Logins.TokenAsync);
        On("POST", "/token", "token", Logins.ApiTokenAsync);
        On("POST", "/v1/runner/requests", "request", Logins.RegisterAsync);
    }

    private void On(string method, string path, string name, Func<HttpContext, Task> handle) =>
        _app.MapMethods(path, [method], (RequestDelegate)(context => WithFaultsAsync(context, name, handle)));

    private async Task WithFaultsAsync(HttpContext context, string name, Func<HttpContext, Task> handle)
    {
        if (name != "token")
        {
            Bearers.Enqueue(context.Request.Headers.Authorization.ToString());
        }

        await Faults.CallAsync(context, FaultOf(name), handle, _stopped.Token);
    }

    private async Task SessionAsync(HttpContext context)
    {
        var request = await FakeJson.ReadAsync(context, RunnerJson.Default.SessionRequest);
        Sessions.Enqueue(request);
        var session = new SessionResponse($"ses_{Sessions.Count}", "rnr_1", "runner", LeaseSeconds, 2, MaxLogChunkBytes, Collections, Ephemeral ? true : null);
        await FakeJson.AnswerAsync(context, session, RunnerJson.Default.SessionResponse);
    }

    private async Task PollAsync(HttpContext context)
    {
        var request = await FakeJson.ReadAsync(context, RunnerJson.Default.PollRequest);
        Polls.Enqueue(request);
        Interlocked.Increment(ref _waitingPolls);
        try
        {
            await AnswerPollAsync(context, request);
        }
        finally
        {
            Interlocked.Decrement(ref _waitingPolls);
        }
    }

    private async Task AnswerPollAsync(HttpContext context, PollRequest request)
    {
        using var wait = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _stopped.Token);
        wait.CancelAfter(TimeSpan.FromSeconds(request.WaitSeconds));
        while (true)
        {
            var news = Volatile.Read(ref _news).Task;
            var answers = Answers(request.Holds);
            var offers = Offers(Drain ? 0 : request.Free);
            if (Drain || offers.Count > 0 || answers.Exists(answer => answer.Answer != HoldAnswers.Keep) || wait.IsCancellationRequested)
            {
                await FakeJson.AnswerAsync(context, new PollResponse(offers, answers, Drain ? true : null), RunnerJson.Default.PollResponse);
                return;
            }

            await news.WaitAsync(wait.Token).ContinueWith(_ => { }, TaskScheduler.Default);
        }
    }

    private List<Offer> Offers(int free)
    {
        var offers = new List<Offer>();
        while (offers.Count < free && _queue.TryDequeue(out var attempt))
        {
            var payload = attempt.Payload;
            offers.Add(new Offer(payload.Run, payload.Attempt, payload.Workspace, payload.Collection, TimeProvider.System.GetUtcNow().AddSeconds(20)));
        }

        return offers;
    }

    private List<HoldAnswer> Answers(IReadOnlyList<Hold> holds) =>
        [.. holds.Select(hold => new HoldAnswer(hold.Run, hold.Attempt, _calls.Attempts[$"{hold.Run}/{hold.Attempt}"].Answer, LeaseSeconds))];

    private async Task HeartbeatAsync(HttpContext context)
    {
        var request = await FakeJson.ReadAsync(context, RunnerJson.Default.HeartbeatRequest);
        Heartbeats.Enqueue(request);
        await FakeJson.AnswerAsync(context, new HeartbeatResponse(Answers(request.Holds)), RunnerJson.Default.HeartbeatResponse);
    }

    private async Task BatchAsync(HttpContext context)
    {
        if (!KnowsBatches)
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        var request = await FakeJson.ReadAsync(context, RunnerJson.Default.BatchRequest);
        Batches.Enqueue(request);
        var answers = request.Calls.Select(call => FakeBatch.Answer(call, _calls.Attempts[$"{call.Run}/{call.Attempt}"], FaultOf(call.Kind))).ToList();
        await FakeJson.AnswerAsync(context, new BatchResponse(answers), RunnerJson.Default.BatchResponse);
    }
}
