using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Lanyard.Protocol.OAuth;
using Lanyard.Protocol.Runs;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Testing.Runs;

/// <summary>
/// The server's side of the run protocol on a real loopback port, without rules of its own: it hands out what a test gives it, loses
/// what a test says, and remembers what runners said. Also a workspace's token endpoint that signs nothing.
/// </summary>
public sealed class FakeControlPlane : IAsyncDisposable
{
    private int _waitingPolls;
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<FakeAttempt> _queue = new();
    private readonly ConcurrentDictionary<string, FakeAttempt> _attempts = new();
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

    /// <summary>Forms that came to the token endpoint.</summary>
    public ConcurrentQueue<Dictionary<string, string>> TokenRequests { get; } = new();

    /// <summary>Identity tokens that were given out.</summary>
    public ConcurrentQueue<string> Tokens { get; } = new();

    /// <summary>Audiences that the token endpoint refuses.</summary>
    public HashSet<string> RefusedAudiences { get; } = [];

    /// <summary>Requests of hosts to become runners, with their bearers.</summary>
    public ConcurrentQueue<(RunnerRegistration Registration, string Assertion)> Registrations { get; } = new();

    /// <summary>How many registrations are answered with pending before one is approved.</summary>
    public int PendingRegistrations { get; set; }

    /// <summary>Forms that came to the instance's own token endpoint.</summary>
    public ConcurrentQueue<Dictionary<string, string>> ClientAssertions { get; } = new();

    /// <summary>Seconds that an API token of the instance's token endpoint lives; 0: it refuses.</summary>
    public int ApiTokenSeconds { get; set; } = 600;

    /// <summary>Seconds that an identity token of a workspace's token endpoint lives.</summary>
    public int IdentityTokenSeconds { get; set; } = 600;

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
        _attempts[$"{payload.Run}/{payload.Attempt}"] = attempt;
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

    private static Task AnswerAsync<T>(HttpContext context, T value, JsonTypeInfo<T> type, int status = StatusCodes.Status200OK)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsJsonAsync(value, type, cancellationToken: context.RequestAborted);
    }

    private static async Task<T> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type) =>
        await JsonSerializer.DeserializeAsync(context.Request.Body, type, context.RequestAborted) ?? throw new JsonException("null");

    private void Wake() => Interlocked.Exchange(ref _news, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();

    private void Map()
    {
        _app.UseRouting();
        On("POST", "/v1/runner/session", "session", SessionAsync);
        On("POST", "/v1/runner/poll", "poll", PollAsync);
        On("POST", "/v1/runner/heartbeat", "heartbeat", HeartbeatAsync);
        On("POST", "/v1/runner/calls", "calls", BatchAsync);
        On("POST", "/v1/runner/attempts/{run}/{attempt}/accept", "accept", AcceptAsync);
        On("POST", "/v1/runner/attempts/{run}/{attempt}/start", "start", StartAsync);
        On("PUT", "/v1/runner/attempts/{run}/{attempt}/steps/{index}", "step", StepAsync);
        On("POST", "/v1/runner/attempts/{run}/{attempt}/log", "log", LogAsync);
        On("POST", "/v1/runner/attempts/{run}/{attempt}/end", "end", EndAsync);
        On("POST", "/oidc/{workspace}/token", "token", TokenAsync);
        On("POST", "/token", "token", ApiTokenAsync);
        On("POST", "/v1/runner/requests", "request", RegisterAsync);
    }

    private void On(string method, string path, string name, Func<HttpContext, Task> handle) =>
        _app.MapMethods(path, [method], (RequestDelegate)(context => WithFaultsAsync(context, name, handle)));

    private async Task WithFaultsAsync(HttpContext context, string name, Func<HttpContext, Task> handle)
    {
        if (name != "token")
        {
            Bearers.Enqueue(context.Request.Headers.Authorization.ToString());
        }

        switch (FaultOf(name))
        {
            case Fault.LoseCall:
                context.Abort();
                return;
            case Fault.LoseAnswer:
                context.Response.Body = new MemoryStream();
                await handle(context);
                context.Abort();
                return;
            case Fault.Hang:
                using (var both = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _stopped.Token))
                {
                    await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, both.Token).ContinueWith(_ => { }, TaskScheduler.Default);
                }

                return;
            case Fault.Unavailable:
                context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
                return;
            case Fault.Stale:
                context.Response.StatusCode = StatusCodes.Status409Conflict;
                return;
            case Fault.Over:
                context.Response.StatusCode = StatusCodes.Status410Gone;
                return;
            default:
                await handle(context);
                return;
        }
    }

    private async Task SessionAsync(HttpContext context)
    {
        var request = await ReadAsync(context, RunnerJson.Default.SessionRequest);
        Sessions.Enqueue(request);
        var session = new SessionResponse($"ses_{Sessions.Count}", "rnr_1", "runner", LeaseSeconds, 2, MaxLogChunkBytes, Collections, Ephemeral ? true : null);
        await AnswerAsync(context, session, RunnerJson.Default.SessionResponse);
    }

    private async Task PollAsync(HttpContext context)
    {
        var request = await ReadAsync(context, RunnerJson.Default.PollRequest);
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
                await AnswerAsync(context, new PollResponse(offers, answers, Drain ? true : null), RunnerJson.Default.PollResponse);
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
        [.. holds.Select(hold => new HoldAnswer(hold.Run, hold.Attempt, _attempts[$"{hold.Run}/{hold.Attempt}"].Answer, LeaseSeconds))];

    private async Task HeartbeatAsync(HttpContext context)
    {
        var request = await ReadAsync(context, RunnerJson.Default.HeartbeatRequest);
        Heartbeats.Enqueue(request);
        await AnswerAsync(context, new HeartbeatResponse(Answers(request.Holds)), RunnerJson.Default.HeartbeatResponse);
    }

    private async Task BatchAsync(HttpContext context)
    {
        if (!KnowsBatches)
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        var request = await ReadAsync(context, RunnerJson.Default.BatchRequest);
        Batches.Enqueue(request);
        var answers = request.Calls.Select(call => FakeBatch.Answer(call, _attempts[$"{call.Run}/{call.Attempt}"], FaultOf(call.Kind))).ToList();
        await AnswerAsync(context, new BatchResponse(answers), RunnerJson.Default.BatchResponse);
    }

    private FakeAttempt AttemptOf(HttpContext context) => _attempts[$"{context.GetRouteValue("run")}/{context.GetRouteValue("attempt")}"];

    private async Task AcceptAsync(HttpContext context)
    {
        var attempt = AttemptOf(context);
        attempt.Accepts++;
        attempt.State = AttemptStates.Accepted;
        await AnswerAsync(context, attempt.Payload, RunnerJson.Default.AttemptPayload);
    }

    private async Task StartAsync(HttpContext context)
    {
        var attempt = AttemptOf(context);
        attempt.Starts++;
        attempt.State = AttemptStates.Running;
        await AnswerAsync(context, new AttemptAnswer(attempt.State), RunnerJson.Default.AttemptAnswer);
    }

    private async Task StepAsync(HttpContext context)
    {
        var attempt = AttemptOf(context);
        attempt.Report(int.Parse((string)context.GetRouteValue("index")!, null), await ReadAsync(context, RunnerJson.Default.StepReport));
        await AnswerAsync(context, new AttemptAnswer(attempt.State), RunnerJson.Default.AttemptAnswer);
    }

    private async Task LogAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        var attempt = AttemptOf(context);
        var next = attempt.Append(long.Parse(context.Request.Query["offset"].ToString(), null), body.ToArray());
        var status = next is null ? StatusCodes.Status416RangeNotSatisfiable : StatusCodes.Status200OK;
        await AnswerAsync(context, new LogAppended(next ?? attempt.LogLength), RunnerJson.Default.LogAppended, status);
    }

    private async Task EndAsync(HttpContext context)
    {
        var attempt = AttemptOf(context);
        attempt.End(await ReadAsync(context, RunnerJson.Default.EndRequest));
        await AnswerAsync(context, new AttemptAnswer(attempt.State), RunnerJson.Default.AttemptAnswer);
    }

    private async Task TokenAsync(HttpContext context)
    {
        var form = (await context.Request.ReadFormAsync()).ToDictionary(field => field.Key, field => field.Value.ToString());
        TokenRequests.Enqueue(form);
        if (RefusedAudiences.Contains(form["audience"]))
        {
            await AnswerAsync(context, new OAuthErrorResponse("invalid_target", "this audience is not allowed"), OAuthJson.Default.OAuthErrorResponse, 400);
            return;
        }

        var payload = Base64Url.EncodeToString(Encoding.UTF8.GetBytes($$"""{"aud":"{{form["audience"]}}","exp":1900000000}"""));
        var token = $"eyJhbGciOiJSUzI1NiJ9.{payload}.{Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(64))}";
        Tokens.Enqueue(token);
        await AnswerAsync(context, new TokenResponse(token, OAuthNames.TokenTypeIdToken, "N_A", IdentityTokenSeconds), OAuthJson.Default.TokenResponse);
    }

    private async Task ApiTokenAsync(HttpContext context)
    {
        ClientAssertions.Enqueue((await context.Request.ReadFormAsync()).ToDictionary(field => field.Key, field => field.Value.ToString()));
        if (ApiTokenSeconds == 0)
        {
            await AnswerAsync(context, new OAuthErrorResponse("invalid_client", "no"), OAuthJson.Default.OAuthErrorResponse, 401);
            return;
        }

        await AnswerAsync(context, new TokenResponse($"api-token-{ClientAssertions.Count}", null, "Bearer", ApiTokenSeconds), OAuthJson.Default.TokenResponse);
    }

    private async Task RegisterAsync(HttpContext context)
    {
        var registration = await ReadAsync(context, RunnerJson.Default.RunnerRegistration);
        Registrations.Enqueue((registration, context.Request.Headers.Authorization.ToString()["Bearer ".Length..]));
        var state = Registrations.Count > PendingRegistrations ? RegistrationStates.Approved : RegistrationStates.Pending;
        await AnswerAsync(context, new RunnerRegistrationAnswer("thumbprint", state), RunnerJson.Default.RunnerRegistrationAnswer);
    }
}
